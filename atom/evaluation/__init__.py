"""Evaluation: comparisons of models on the same prompts, confidence intervals, and the metrics of text-to-motion."""
