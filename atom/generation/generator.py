"""A text-to-motion model ready for use: texts and seeds in, codes and joints out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from peft import PeftModel
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerFast

from atom.devices import resolve_device
from atom.errors import AtomError
from atom.generation.adapter import adapter_hash, check_base, load_adapter
from atom.generation.checkpoint import Checkpoint, load_checkpoint, template_of, weights_hash
from atom.generation.language_model_inference import Inference
from atom.generation.sampling import sample_ids
from atom.generation.tokenizer import MotionVocabulary
from atom.generation.vqvae import encode_clips
from atom.motion.features import features_to_joints
from atom.motion.skeleton import JOINTS

_DECODED_AT_ONCE = 64  # motions
_PADDING = 64  # codes of a batch, all rows together: to decode as many takes about as long as to begin another batch


@dataclass(frozen=True)
class Sample:
    """Codes of one motion. `stop_reason`: the model ended it, it ran into the length limit, or it holds no code."""

    tokens: list[int]
    stop_reason: Literal["end", "length", "empty"]


class Generator:
    """VQ-VAE, language model and tokenizer of one checkpoint, with or without a LoRA adapter.

    `language_model` is the T5, or its PeftModel; `motions` tells where the motion tokens lie in `tokenizer`;
    `weights_hash` identifies everything that decides what is generated, the adapter included.
    """

    def __init__(self, checkpoint: Checkpoint, weights: str = "", device: str = "cpu") -> None:
        self.device = resolve_device(device)
        self.vqvae = checkpoint.vqvae.to(self.device).eval().laid_out()
        self.language_model: torch.nn.Module = checkpoint.language_model.to(self.device).eval()
        self.tokenizer: PreTrainedTokenizerFast = checkpoint.tokenizer
        self.template = checkpoint.template
        self.weights_hash = weights
        self.motions = MotionVocabulary.append(self.tokenizer, self.vqvae.config.codes)
        self._mean, self._std = checkpoint.mean, checkpoint.std

    @classmethod
    def load(
        cls, checkpoint: str = "builtin", adapter: str | None = None, device: str = "cpu", template: str | None = None
    ) -> Generator:
        """The generator of a checkpoint folder or 'builtin', with the LoRA adapter of a folder if one is given.

        `template` words the prompts in another way than the checkpoint says: a name of `TEMPLATES`, or a text with {}.
        """
        generator = cls(load_checkpoint(checkpoint), weights_hash(checkpoint), device)
        if template is not None:
            generator.template = template_of(template)
        if adapter is not None:
            folder = Path(adapter)
            check_base(folder, generator.weights_hash)
            generator.language_model = load_adapter(generator.language_model, folder).to(generator.device)
            generator.weights_hash += "+" + adapter_hash(folder)
        return generator

    def motion_text(self, codes: Sequence[int]) -> str:
        """The answer that stands for these codes, in the language model's own words."""
        return self.motions.text(codes)

    def encode_prompts(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and attention mask (B, S) of prompts in the checkpoint's wording, padded to the longest."""
        batch = self.tokenizer([self.template.format(text) for text in texts], padding=True, return_tensors="pt")
        return batch.input_ids.to(self.device), batch.attention_mask.to(self.device)

    def sample(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        *,
        temperature: float = 1.0,
        top_k: int = 50,
        top_p: float = 1.0,
        max_new_tokens: int = 60,
        batch_size: int = 64,
        vocabulary: Literal["motion", "all"] = "motion",
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Sample]:
        """One motion for each text and its seed, in the caller's order; `temperature` 0 is the likeliest token always.

        With the vocabulary "motion" nothing but motion tokens and </s> can come. "all" is MotionGPT's own way: words
        may come too, are thrown away when the answer is read, and an answer of words alone holds no motion. Sampling
        stops at the motion's end token, after which nothing is read. `batch_size` motions are made at a time, or half
        as many, again and again, where the GPU's memory does not hold them.
        """
        _check_sampling(texts, seeds, temperature)
        motion_ids = self.motions.answer_ids(self.tokenizer.eos_token_id)
        choices = torch.tensor(motion_ids if vocabulary == "motion" else range(len(self.tokenizer)), device=self.device)
        stops = (self.motions.end, self.tokenizer.eos_token_id)
        model = self.language_model
        if isinstance(model, PeftModel):
            model = model.get_base_model()  # the same network, adapter included, without peft's own forward
        inference = Inference(model, choices)
        # Texts of about one length, and all samples of a text, share a batch.
        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), texts[i]))
        samples: dict[int, Sample] = {}
        while len(samples) < len(order):
            rows = order[len(samples) :][:batch_size]
            inputs, mask = self.encode_prompts([texts[i] for i in rows])
            try:
                answers = sample_ids(
                    inference,
                    inputs,
                    mask,
                    [seeds[i] for i in rows],
                    stops=stops,
                    temperature=temperature,
                    top_k=top_k,
                    top_p=top_p,
                    max_new_tokens=max_new_tokens,
                )
            except torch.OutOfMemoryError:  # of a GPU
                if len(rows) == 1:
                    raise
                batch_size = len(rows) // 2
                continue
            for i, ids in zip(rows, answers, strict=True):
                codes = self.motions.parse(ids)
                samples[i] = Sample(codes, "empty" if not codes else "end" if ids[-1] in stops else "length")
            if progress:
                progress(len(samples), len(texts))
        return [samples[i] for i in range(len(texts))]

    def encode(self, features: Sequence[np.ndarray]) -> list[list[int]]:
        """Codes of motions of raw features (T, 263), one for every four frames; up to 3 frames at the end are lost."""
        return encode_clips(self.vqvae, features, self._mean, self._std)

    def decode(self, tokens: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Joints (4n, 22, 3) float32 in metres of motions of n codes each, starting at the origin facing +Z; one
        without codes gives (0, 22, 3)."""
        joints = [np.zeros((0, JOINTS, 3), np.float32)] * len(tokens)
        for rows, features in self._decoded(tokens):
            for i, motion in zip(rows, features_to_joints(features), strict=True):
                joints[i] = motion[: self.vqvae.config.frames_per_token * len(tokens[i])]
        return joints

    def decode_features(self, tokens: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Raw features (4n, 263) float32 of motions of n codes each; one without codes gives (0, 263)."""
        decoded = [np.zeros((0, len(self._mean)), np.float32)] * len(tokens)
        for rows, features in self._decoded(tokens):
            for i, motion in zip(rows, features, strict=True):
                decoded[i] = motion[: self.vqvae.config.frames_per_token * len(tokens[i])]
        return decoded

    @torch.inference_mode()
    def _decoded(self, tokens: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], np.ndarray]]:
        """Motions of about one length together: which they are, and their raw features (B, T, 263), of which those of a
        shorter motion stand first in its row."""
        known = range(self.motions.codes)
        for i, codes in enumerate(tokens):
            if strange := [code for code in codes if code not in known]:
                raise AtomError(f"motion {i} holds code {strange[0]}, outside the codebook's 0..{known[-1]}")
        for rows in _of_about_one_length([len(codes) for codes in tokens]):
            batch = [torch.tensor(list(tokens[i])) for i in rows]
            lengths = torch.tensor([len(codes) for codes in batch], device=self.device)
            codes = pad_sequence(batch, batch_first=True).to(self.device)
            unequal = len(batch[0]) != len(batch[-1])
            decoded = self.vqvae.decode(codes, lengths if unequal else None)
            yield rows, decoded.float().cpu().numpy() * self._std + self._mean


def _of_about_one_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Batches of motions, the longest first, as positions in `lengths`; those of length 0 are in none."""
    rows: list[int] = []
    padding = 0
    for i in sorted(filter(lengths.__getitem__, range(len(lengths))), key=lambda i: -lengths[i]):
        added = lengths[rows[0]] - lengths[i] if rows else 0
        if len(rows) == _DECODED_AT_ONCE or padding + added > _PADDING:
            yield rows
            rows, padding, added = [], 0, 0
        rows.append(i)
        padding += added
    if rows:
        yield rows


def _check_sampling(texts: Sequence[str], seeds: Sequence[int], temperature: float) -> None:
    if len(texts) != len(seeds):
        raise AtomError(f"{len(texts)} texts and {len(seeds)} seeds: give one seed for each text")
    if (blank := next((i for i, text in enumerate(texts) if not text.strip()), None)) is not None:
        raise AtomError(f"text {blank} is empty; describe what the person does, e.g. 'a person jumps twice'")
    if (negative := next((seed for seed in seeds if seed < 0), None)) is not None:
        raise AtomError(f"seed {negative} is negative; seeds start at 0")
    if temperature < 0:
        raise AtomError(f"temperature {temperature} is negative; 0 takes the likeliest token, 1 samples as trained")
