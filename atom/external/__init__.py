"""Motions of other generators: the sets of them, the tables they come in, and the results of MDM."""
