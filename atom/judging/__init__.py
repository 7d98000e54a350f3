"""Judges: which events happen in a motion, and how well they fit the expected events."""
