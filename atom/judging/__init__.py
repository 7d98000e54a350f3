"""Judges: what happens in a motion, and how well it fits the asked events."""
