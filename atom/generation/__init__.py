"""The text-to-motion generator: VQ-VAE, motion language model, tokenizer, checkpoints, sampling."""
