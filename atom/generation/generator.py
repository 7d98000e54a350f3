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
from atom.generation.adapter_loading import check_adapter_base, hash_adapter, load_adapter
from atom.generation.checkpoint import Checkpoint, hash_weights, load_checkpoint, resolve_template
from atom.generation.language_model_inference import T5Inference
from atom.generation.sampling import sample_ids
from atom.generation.tokenizer import MotionVocabulary
from atom.generation.vqvae import encode_clips
from atom.motion.features import features_to_joints
from atom.motion.skeleton import JOINTS

_DECODE_BATCH_SIZE = 64  # motions
# Codes of padding in a batch, all rows together: more of them cost about as much time as another batch.
_MAX_PADDING = 64


@dataclass(frozen=True)
class Sample:
    """The codes of one motion.

    Attributes:
        tokens: codes, one for every four frames.
        stop_reason: "end" if the model ended the motion, "length" if it reached the limit, "empty" if there is no code.
    """

    tokens: list[int]
    stop_reason: Literal["end", "length", "empty"]


class Generator:
    """VQ-VAE, language model and tokenizer of one checkpoint, with or without a LoRA adapter.

    `language_model` is the T5, or its PeftModel; `motions` knows the ids of the motion tokens in `tokenizer`;
    `weights_hash` identifies everything that decides what is generated, the adapter included.
    """

    def __init__(self, checkpoint: Checkpoint, weights: str = "", device: str = "cpu") -> None:
        """Makes a generator of a checkpoint in memory; `Generator.load` reads one from a folder.

        Args:
            checkpoint: the networks, which become part of the generator.
            weights: the `weights_hash`.
            device: cpu, cuda, cuda:1 or mps.
        """
        self.device = resolve_device(device)
        self.vqvae = checkpoint.vqvae.to(self.device).eval().to_channels_last()
        self.language_model: torch.nn.Module = checkpoint.language_model.to(self.device).eval()
        self.tokenizer: PreTrainedTokenizerFast = checkpoint.tokenizer
        self.template = checkpoint.template
        self.weights_hash = weights
        self.motions = MotionVocabulary.append(self.tokenizer, self.vqvae.config.codes)
        self._mean, self._std = checkpoint.mean, checkpoint.std

    @classmethod
    def load(
        cls,
        checkpoint: str = "builtin",
        adapter: str | Path | None = None,
        device: str = "cpu",
        template: str | None = None,
    ) -> Generator:
        """Loads a generator.

        Args:
            checkpoint: a checkpoint folder or 'builtin'.
            adapter: the folder of a LoRA adapter that was tuned on this checkpoint.
            device: cpu, cuda, cuda:1 or mps.
            template: a prompt template other than the checkpoint's: a name of `PROMPT_TEMPLATES`, or a text with {}.

        Returns:
            The generator, in eval mode.

        Raises:
            AtomError: for a checkpoint or an adapter that can't be loaded, or an adapter of another base.
        """
        generator = cls(load_checkpoint(checkpoint), hash_weights(checkpoint), device)
        if template is not None:
            generator.template = resolve_template(template)
        if adapter is not None:
            folder = Path(adapter)
            check_adapter_base(folder, generator.weights_hash)
            generator.language_model = load_adapter(generator.language_model, folder).to(generator.device)
            # Appended, not hashed together: the base stays readable in the hash of a tuned generator.
            generator.weights_hash += "+" + hash_adapter(folder)
        return generator

    def codes_to_text(self, codes: Sequence[int]) -> str:
        """Writes codes as the language model does.

        Args:
            codes: of one motion.

        Returns:
            `<motion_id_START>...<motion_id_END>`, where START is the number of codes in the codebook, and END one more.
        """
        return self.motions.text(codes)

    def encode_prompts(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokenizes prompts.

        Args:
            texts: B prompts without the template.

        Returns:
            Token ids and attention mask (B, S) of the texts in the prompt template, padded to the longest.
        """
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
        """Samples one motion for each text and its seed.

        Args:
            texts: prompts without the template.
            seeds: a seed for each text.
            temperature: 0 always takes the likeliest token.
            top_k: sample among this many likeliest tokens; 0 for all.
            top_p: sample among the likeliest tokens that together have this probability.
            max_new_tokens: the longest answer, start and end token included.
            batch_size: motions per batch. It is halved as often as needed when a GPU runs out of memory.
            vocabulary: "motion" samples motion tokens and </s> only. "all" is MotionGPT's own way: words can appear
                too and are dropped, so that an answer of words alone is an empty motion.
            progress: receives the number of finished motions and of all motions.

        Returns:
            The motions, in the order of the texts. Sampling stops at the motion's end token.

        Raises:
            AtomError: for an empty text, or for seeds or a temperature out of range.
        """
        _check_sampling(texts, seeds, temperature)
        motion_ids = self.motions.answer_ids(self.tokenizer.eos_token_id)
        allowed_ids = motion_ids if vocabulary == "motion" else range(len(self.tokenizer))
        stop_ids = (self.motions.end, self.tokenizer.eos_token_id)
        model = self.language_model
        if isinstance(model, PeftModel):
            model = model.get_base_model()  # the same network with its adapter, without peft's wrapper around forward
        inference = T5Inference(model, torch.tensor(allowed_ids, device=self.device))
        # Sorting puts texts of similar length, and all samples of one text, into the same batch.
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
                    stop_ids=stop_ids,
                    temperature=temperature,
                    top_k=top_k,
                    top_p=top_p,
                    max_new_tokens=max_new_tokens,
                )
            except torch.OutOfMemoryError:  # only GPUs raise it
                if len(rows) == 1:
                    raise
                batch_size = len(rows) // 2  # also for all later batches
                continue
            for i, ids in zip(rows, answers, strict=True):
                codes = self.motions.parse(ids)
                # Without an end token the length limit cut the motion off.
                samples[i] = Sample(codes, "empty" if not codes else "end" if ids[-1] in stop_ids else "length")
            if progress:
                progress(len(samples), len(texts))
        return [samples[i] for i in range(len(texts))]

    def encode(self, features: Sequence[np.ndarray]) -> list[list[int]]:
        """Encodes motions.

        Args:
            features: raw features (T, 263) of each motion. The last T % 4 frames are dropped.

        Returns:
            The codes of each motion, one for every four frames.
        """
        return encode_clips(self.vqvae, features, self._mean, self._std)

    def decode(self, tokens: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Decodes motions to joints.

        Args:
            tokens: the n codes of each motion; n may be 0.

        Returns:
            Joints (4n, 22, 3) float32 of each motion in metres, Y up, 20 fps, from the origin and facing +Z.

        Raises:
            AtomError: a code is outside the codebook.
        """
        joints = [np.zeros((0, JOINTS, 3), np.float32)] * len(tokens)
        for rows, features in self._decode_batches(tokens):
            for i, motion in zip(rows, features_to_joints(features), strict=True):
                # The rest is the padding of the batch.
                joints[i] = motion[: self.vqvae.config.frames_per_token * len(tokens[i])]
        return joints

    def decode_features(self, tokens: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Decodes motions to features.

        Args:
            tokens: the n codes of each motion; n may be 0.

        Returns:
            Raw features (4n, 263) float32 of each motion.

        Raises:
            AtomError: a code is outside the codebook.
        """
        decoded = [np.zeros((0, len(self._mean)), np.float32)] * len(tokens)
        for rows, features in self._decode_batches(tokens):
            for i, motion in zip(rows, features, strict=True):
                decoded[i] = motion[: self.vqvae.config.frames_per_token * len(tokens[i])]
        return decoded

    @torch.inference_mode()
    def _decode_batches(self, tokens: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], np.ndarray]]:
        """Decodes batches of motions of similar length.

        Yields their positions in `tokens`, and raw features (B, T, 263), padded at the end of the row of a shorter
        motion.
        """
        valid_codes = range(self.motions.codes)
        for i, codes in enumerate(tokens):
            if invalid := [code for code in codes if code not in valid_codes]:
                raise AtomError(f"motion {i} holds code {invalid[0]}, outside the codebook's 0..{valid_codes[-1]}")
        for rows in _batch_by_length([len(codes) for codes in tokens]):
            batch = [torch.tensor(list(tokens[i])) for i in rows]
            lengths = torch.tensor([len(codes) for codes in batch], device=self.device)
            codes = pad_sequence(batch, batch_first=True).to(self.device)
            is_padded = len(batch[0]) != len(batch[-1])  # batches are sorted by length
            decoded = self.vqvae.decode(codes, lengths if is_padded else None)
            yield rows, decoded.float().cpu().numpy() * self._std + self._mean


def _batch_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Batches of positions in `lengths`, the longest first. Motions of length 0 are in no batch."""
    rows: list[int] = []
    padding = 0
    for i in sorted(filter(lengths.__getitem__, range(len(lengths))), key=lambda i: -lengths[i]):
        added = lengths[rows[0]] - lengths[i] if rows else 0
        if len(rows) == _DECODE_BATCH_SIZE or padding + added > _MAX_PADDING:
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
