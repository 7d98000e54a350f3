"""Client of OpenAI-compatible services: requests, a journal of answers, rate limits, budgets and batches."""
