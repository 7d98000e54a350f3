"""Pushes preference pairs, adapters and reports to the Hugging Face Hub."""
