"""Preference tuning: losses, log-probabilities, the adapter and its training loop."""
