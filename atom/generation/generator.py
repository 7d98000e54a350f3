"""A text-to-motion model ready for use: texts and seeds in, codes and joints out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from peft import PeftModel
from transformers import PreTrainedTokenizerFast

from atom.devices import device_of
from atom.errors import AtomError
from atom.generation.adapter import adapter_hash, check_base, load_adapter
from atom.generation.checkpoint import Checkpoint, load_checkpoint, template_of, weights_hash
from atom.generation.language_model_inference import Inference
from atom.generation.sampling import sample_ids
from atom.generation.tokenizer import MotionVocabulary
from atom.generation.vqvae import encode_clips
from atom.motion.features import features_to_joints
from atom.motion.skeleton import JOINTS

_DECODED_AT_ONCE = 64


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
        self.device = device_of(device)
        self.vqvae = checkpoint.vqvae.to(self.device).eval().laid_out()
        self.language_model: torch.nn.Module = checkpoint.language_model.to(self.device).eval()
        self.tokenizer: PreTrainedTokenizerFast = checkpoint.tokenizer
        self.template = checkpoint.template
        self.weights_hash = weights
        self.motions = MotionVocabulary.append(self.tokenizer, self.vqvae.config.codes)
        self._mean, self._std = checkpoint.mean, checkpoint.std

    @classmethod
    def load(cls, checkpoint: str = "builtin", adapter: str | None = None, device: str = "cpu",
             template: str | None = None) -> Generator:  # fmt: skip
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

    def sample(self, texts: Sequence[str], seeds: Sequence[int], *, temperature: float = 1.0, top_k: int = 50,
               top_p: float = 1.0, max_new_tokens: int = 60, batch_size: int = 64,
               vocabulary: Literal["motion", "all"] = "motion",
               progress: Callable[[int, int], None] | None = None) -> list[Sample]:  # fmt: skip
        """One motion for each text and its seed, in the caller's order; `temperature` 0 is the likeliest token always.

        With the vocabulary "motion" nothing but motion tokens and </s> can come. "all" is MotionGPT's own way: words
        may come too, are thrown away when the answer is read, and an answer of words alone holds no motion. Sampling
        stops at the motion's end token, after which nothing is read.
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
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            inputs, mask = self.encode_prompts([texts[i] for i in rows])
            answers = sample_ids(
                inference, inputs, mask, [seeds[i] for i in rows], stops=stops, temperature=temperature, top_k=top_k,
                top_p=top_p, max_new_tokens=max_new_tokens,
            )  # fmt: skip
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
                joints[i] = motion
        return joints

    def decode_features(self, tokens: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Raw features (4n, 263) float32 of motions of n codes each; one without codes gives (0, 263)."""
        decoded = [np.zeros((0, len(self._mean)), np.float32)] * len(tokens)
        for rows, features in self._decoded(tokens):
            for i, motion in zip(rows, features, strict=True):
                decoded[i] = motion
        return decoded

    @torch.inference_mode()
    def _decoded(self, tokens: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], np.ndarray]]:
        """Motions of one length together: which they are, and their raw features (B, 4n, 263)."""
        known = range(self.motions.codes)
        by_length: dict[int, list[int]] = defaultdict(list)
        for i, codes in enumerate(tokens):
            if strange := [code for code in codes if code not in known]:
                raise AtomError(f"motion {i} holds code {strange[0]}, outside the codebook's 0..{known[-1]}")
            if codes:
                by_length[len(codes)].append(i)
        for same in by_length.values():
            for start in range(0, len(same), _DECODED_AT_ONCE):
                rows = same[start : start + _DECODED_AT_ONCE]
                codes = torch.tensor([list(tokens[i]) for i in rows], device=self.device)
                yield rows, self.vqvae.decode(codes).float().cpu().numpy() * self._std + self._mean


def _check_sampling(texts: Sequence[str], seeds: Sequence[int], temperature: float) -> None:
    if len(texts) != len(seeds):
        raise AtomError(f"{len(texts)} texts and {len(seeds)} seeds: give one seed for each text")
    if (blank := next((i for i, text in enumerate(texts) if not text.strip()), None)) is not None:
        raise AtomError(f"text {blank} is empty; describe what the person does, e.g. 'a person jumps twice'")
    if (negative := next((seed for seed in seeds if seed < 0), None)) is not None:
        raise AtomError(f"seed {negative} is negative; seeds start at 0")
    if temperature < 0:
        raise AtomError(f"temperature {temperature} is negative; 0 takes the likeliest token, 1 samples as trained")
