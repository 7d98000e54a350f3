"""Motions of other generators, datasets and programs: their files as they are, and ours in their formats."""
