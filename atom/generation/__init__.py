"""The text-to-motion generator: VQ-VAE, motion language model, tokenizer, checkpoints, sampling."""

from typing import TYPE_CHECKING

from atom.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from atom.generation.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
    from atom.generation.generator import Generator, Sample

__all__, __getattr__, __dir__ = lazy_exports(__name__)
