"""Asking language models: requests, the journal of answers, limits, budget, and OpenAI-compatible services."""
