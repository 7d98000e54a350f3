"""A text-to-motion model ready for use: texts and seeds in, codes and joints out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from peft import PeftModel
from transformers import PreTrainedTokenizerFast

from atom.errors import AtomError
from atom.generation.checkpoint import Checkpoint, load_checkpoint, weights_hash
from atom.generation.sampling import sample_ids
from atom.generation.tokenizer import MotionVocabulary
from atom.motion.features import features_to_joints


@dataclass(frozen=True)
class Sample:
    """codes of one motion; `stop_reason`: the model ended it, it ran into the length limit, or it holds no motion."""

    tokens: list[int]
    stop_reason: Literal["end", "length", "empty"]


class Generator:
    """VQ-VAE, language model and tokenizer of one checkpoint, with or without a LoRA adapter."""

    def __init__(self, checkpoint: Checkpoint, weights: str = "", device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.vqvae = checkpoint.vqvae.to(self.device).eval()
        self.language_model: torch.nn.Module = checkpoint.language_model.to(self.device).eval()
        self.tokenizer: PreTrainedTokenizerFast = checkpoint.tokenizer
        self.template = checkpoint.template
        self.weights_hash = weights
        self.motions = MotionVocabulary.append(self.tokenizer, self.vqvae.config.codes)
        self._mean, self._std = checkpoint.mean, checkpoint.std
        self._allowed = torch.zeros(len(self.tokenizer), dtype=torch.bool)
        self._allowed[self.motions.first : self.motions.end + 1] = True
        self._allowed[self.tokenizer.eos_token_id] = True

    @classmethod
    def load(cls, checkpoint: str = "builtin", adapter: str | None = None, device: str = "cpu") -> Generator:
        """The generator of a checkpoint folder or 'builtin', with the LoRA adapter of a folder if one is given."""
        generator = cls(load_checkpoint(checkpoint), weights_hash(checkpoint), device)
        if adapter is not None:
            try:
                tuned = PeftModel.from_pretrained(generator.language_model, adapter)
            except (OSError, ValueError, RuntimeError) as error:
                raise AtomError(f"can't load the adapter {adapter}: {' '.join(str(error).split())[:200]}") from error
            generator.language_model = tuned.to(generator.device).eval()
        return generator

    def encode_prompts(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and attention mask (B, S) of prompts in the checkpoint's wording, padded to the longest."""
        batch = self.tokenizer([self.template.format(text) for text in texts], padding=True, return_tensors="pt")
        return batch.input_ids.to(self.device), batch.attention_mask.to(self.device)

    def sample(self, texts: Sequence[str], seeds: Sequence[int], *, temperature: float = 1.0, top_k: int = 50,
               max_new_tokens: int = 60, batch_size: int = 64,
               progress: Callable[[int, int], None] | None = None) -> list[Sample]:  # fmt: skip
        """One motion for each text and its seed, in the caller's order."""
        if len(texts) != len(seeds):
            raise AtomError(f"{len(texts)} texts and {len(seeds)} seeds: give one seed for each text")
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        samples: list[Sample | None] = [None] * len(texts)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            inputs, mask = self.encode_prompts([texts[i] for i in rows])
            answers = sample_ids(
                self.language_model, inputs, mask, [seeds[i] for i in rows], self._allowed.to(self.device),
                temperature=temperature, top_k=top_k, max_new_tokens=max_new_tokens,
            )  # fmt: skip
            for i, ids in zip(rows, answers, strict=True):
                codes = self.motions.parse(ids)
                ended = self.motions.end in ids or self.tokenizer.eos_token_id in ids
                samples[i] = Sample(codes, "empty" if not codes else "end" if ended else "length")
            if progress:
                progress(min(start + batch_size, len(order)), len(order))
        return [sample for sample in samples if sample is not None]

    @torch.inference_mode()
    def decode(self, tokens: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Joints (4n, 22, 3) in metres of motions of n codes each; motions of one length are decoded together."""
        joints: list[np.ndarray] = [np.zeros((0, 22, 3), np.float32)] * len(tokens)
        by_length: dict[int, list[int]] = {}
        for i, codes in enumerate(tokens):
            by_length.setdefault(len(codes), []).append(i)
        for length, rows in by_length.items():
            if length == 0:
                continue
            codes = torch.tensor([list(tokens[i]) for i in rows], device=self.device)
            features = self.vqvae.decode(codes).float().cpu().numpy() * self._std + self._mean
            for i, motion in zip(rows, features_to_joints(features), strict=True):
                joints[i] = motion
        return joints
