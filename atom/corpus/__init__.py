"""The corpus: procedural motions of known actions, with captions, for pre-training and calibration."""
