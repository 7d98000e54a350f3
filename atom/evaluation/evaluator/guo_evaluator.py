"""Guo's evaluator: the networks with which text-to-motion models are compared since 2022."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from atom.devices import resolve_device
from atom.errors import AtomError
from atom.evaluation.evaluator.base import Evaluator, TaggedText
from atom.evaluation.evaluator.networks import (
    FRAMES_PER_MOVEMENT,
    INPUT_FEATURES,
    MotionEncoder,
    MovementEncoder,
    TextEncoder,
)
from atom.evaluation.evaluator.word_vectors import PARTS_OF_SPEECH, EncodedCaption, WordVectors
from atom.generation.weights import load_weights, read_torch_content
from atom.motion.features import FEATURES
from atom.motion.skeleton import MAX_FRAMES

Variant = Literal["guo", "motiongpt"]

_PARTS = ("movement_encoder", "text_encoder", "motion_encoder")


class GuoEvaluator:
    """The three networks of Guo, with word vectors and feature statistics.

    A motion is normalised, cut to whole movements of 4 frames and to `max_frames`, and loses its foot contacts. With a
    packed motion encoder its embedding depends on nothing else. Otherwise it also depends on the longest clip of its
    batch: batches are then `batch` motions in the given order.
    """

    def __init__(
        self,
        movement: MovementEncoder,
        text: TextEncoder,
        motion: MotionEncoder,
        words: WordVectors,
        mean: np.ndarray,
        std: np.ndarray,
        *,
        name: str,
        weights_hash: str,
        device: str = "cpu",
        batch: int = 32,
        max_frames: int = MAX_FRAMES,
    ) -> None:
        self.name, self.weights_hash = name, weights_hash
        self._device, self._batch, self._max_frames = resolve_device(device), batch, max_frames
        self._movement, self._text, self._motion = (part.to(self._device).eval() for part in (movement, text, motion))
        self._words = words
        self._mean, self._std = np.asarray(mean, np.float32), np.asarray(std, np.float32)

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[TaggedText]) -> np.ndarray:
        """(n, d) float32, in the given order. Raises AtomError for a text without tagged words."""
        embeddings = np.empty((len(texts), self._text.output_size), np.float32)
        for start in range(0, len(texts), self._batch):
            captions = [self._encode(text) for text in texts[start : start + self._batch]]
            vectors = self._tensor(np.stack([caption.vectors for caption in captions]))
            parts = self._tensor(np.stack([caption.parts_of_speech for caption in captions]))
            lengths = torch.tensor([caption.length for caption in captions])
            embeddings[start : start + len(captions)] = self._text(vectors, parts, lengths).cpu().numpy()
        return embeddings

    @torch.inference_mode()
    def embed_motions(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Features (T, 263) each, not normalised -> (n, d) float32, in the given order.

        Raises AtomError for a motion of another shape, with fewer than 4 frames or with numbers that are not finite.
        """
        lengths = np.array([self._usable_frames(number, motion) for number, motion in enumerate(features)], int)
        order = np.argsort(lengths, kind="stable") if self._motion.packed else np.arange(len(lengths))
        embeddings = np.empty((len(lengths), self._motion.output_size), np.float32)
        for start in range(0, len(order), self._batch):
            rows = order[start : start + self._batch]
            frames = self._tensor(self._padded([features[row] for row in rows], lengths[rows]))
            movements = torch.from_numpy(lengths[rows] // FRAMES_PER_MOVEMENT)
            embeddings[rows] = self._motion(self._movement(frames), movements).cpu().numpy()
        return embeddings

    def _padded(self, motions: Sequence[np.ndarray], lengths: np.ndarray) -> np.ndarray:
        # Guo's code pads to the most frames that a clip may have. A packed encoder reads 4 frames of this padding, in
        # the last movement. MotionGPT's code pads to the longest clip of the batch.
        longest = min(lengths.max() + FRAMES_PER_MOVEMENT, self._max_frames) if self._motion.packed else lengths.max()
        frames = np.zeros((len(motions), longest, INPUT_FEATURES), np.float32)
        for row, motion, length in zip(frames, motions, lengths):
            row[:length] = ((motion[:length] - self._mean) / self._std)[:, :INPUT_FEATURES]
        return frames

    def _usable_frames(self, number: int, motion: np.ndarray) -> int:
        if motion.ndim != 2 or motion.shape[1] != FEATURES or len(motion) < FRAMES_PER_MOVEMENT:
            raise AtomError(
                f"motion {number} is {motion.shape}: give features ({FRAMES_PER_MOVEMENT} or more frames, {FEATURES})"
            )
        if not np.isfinite(motion).all():
            raise AtomError(f"motion {number} has numbers that are not finite: leave it out or make it again")
        length = min(len(motion), self._max_frames)
        return length - length % FRAMES_PER_MOVEMENT

    def _encode(self, text: TaggedText) -> EncodedCaption:
        if not text.tokens:
            raise AtomError(f"{text.text!r} has no tagged words: this evaluator needs word/POS, as HumanML3D has them")
        return self._words.encode(text.tokens)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def load_guo_evaluator(
    weights: Path,
    words: Path,
    mean: np.ndarray,
    std: np.ndarray,
    variant: Variant = "guo",
    device: str = "cpu",
    batch: int = 32,
    max_frames: int = MAX_FRAMES,
) -> Evaluator:
    """Load Guo's evaluator; the sizes of the networks are those of the file.

    Source: Guo et al. 2022, the repository text-to-motion, networks/evaluator_wrapper.py.

    Args:
        weights: Guo's finest.tar.
        words: the folder of the word vectors.
        mean: (263,), of the features that the evaluator was trained with.
        std: (263,), of the same features.
        variant: "guo" stops the motion encoder at the end of each clip. "motiongpt" lets it read the padding, as the
            copies in MotionGPT, InstructMotion and AToM do, so that their published numbers can be reproduced.
        device: a torch device.
        batch: motions embedded at a time; the embeddings of "motiongpt" depend on it.
        max_frames: longer motions are cut.

    Raises:
        AtomError: names every missing, unexpected or misshaped key. A file that could run code is refused.
    """
    if variant not in get_args(Variant):
        raise AtomError(f"unknown variant {variant!r} of Guo's evaluator: use {' or '.join(get_args(Variant))}")
    movement, text, motion = _load_networks(weights, packed=variant == "guo")
    vectors = WordVectors.read(words)
    _check_sizes(weights, movement, text, motion, vectors)
    _check_statistics(mean, std)
    settings = {"variant": variant, "max_frames": max_frames} | ({} if motion.packed else {"batch": batch})
    statistics = np.stack([mean, std]).astype(np.float32)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for content in (weights.read_bytes(), vectors.sha256.encode(), statistics.tobytes()):
        digest.update(hashlib.sha256(content).digest())
    return GuoEvaluator(
        movement,
        text,
        motion,
        vectors,
        mean,
        std,
        name=variant,
        weights_hash=digest.hexdigest(),
        device=device,
        batch=batch,
        max_frames=max_frames,
    )


def _load_networks(path: Path, packed: bool) -> tuple[MovementEncoder, TextEncoder, MotionEncoder]:
    movement_state, text_state, motion_state = states = _read_states(path)
    try:
        movement, text = MovementEncoder.from_state_dict(movement_state), TextEncoder.from_state_dict(text_state)
        motion = MotionEncoder.from_state_dict(motion_state, packed=packed)
    except AtomError as error:
        raise AtomError(f"{path}: {error}") from error
    for part, network, state in zip(_PARTS, (movement, text, motion), states):
        load_weights(network, state, f"{path} ({part})")
    for encoder in (text, motion):
        encoder.merge_embedding()
    return movement, text, motion


def _read_states(path: Path) -> list[dict[str, Tensor]]:
    """The state dicts of the three networks, without the rest of the file (epoch, optimisers)."""
    content = read_torch_content(path)
    states = content if isinstance(content, dict) else {}
    for part in _PARTS:
        state = states.get(part)
        if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
            raise AtomError(f"{path} is no evaluator of Guo's: it has no tensors under {part!r}; give finest.tar")
    return [states[part] for part in _PARTS]


def _check_sizes(
    path: Path, movement: MovementEncoder, text: TextEncoder, motion: MotionEncoder, words: WordVectors
) -> None:
    for what, size, other_size in (
        ("features that are read and features of HumanML3D", movement.input_size, INPUT_FEATURES),
        ("movements that are written and movements that are read", movement.output_size, motion.input_size),
        ("text and motion embeddings", text.output_size, motion.output_size),
        ("parts of speech and parts of speech of Guo", text.pos_size, len(PARTS_OF_SPEECH)),
        ("word vectors that are read and word vectors in the folder", text.input_size, words.size),
    ):
        if size != other_size:
            raise AtomError(f"{path}: {what} differ in size, {size} and {other_size}; give files that belong together")


def _check_statistics(mean: np.ndarray, std: np.ndarray) -> None:
    if np.shape(mean) != (FEATURES,) or np.shape(std) != (FEATURES,):
        raise AtomError(
            f"mean {np.shape(mean)} and std {np.shape(std)} must be ({FEATURES},): give a pair of HumanML3D"
        )
    if not np.isfinite(mean).all() or not np.isfinite(std).all() or not np.greater(std, 0).all():
        raise AtomError("mean and std must be finite, std above 0: give the pair that the evaluator was trained with")
