"""Joints, the features that models are trained on, mirroring, files and physical measures of human motion."""
