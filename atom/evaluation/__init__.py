"""What changed between two models on the same prompts, how sure that is, and how to say it in plain words."""
