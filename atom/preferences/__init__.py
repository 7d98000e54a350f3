"""Preferences: pairs of motions for one prompt of which one was scored higher."""
