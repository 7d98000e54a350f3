"""The built-in evaluator: embeds texts and motions of the procedural corpus, for metrics without a download.

The networks are those of Guo et al., "Generating Diverse and Natural 3D Human Motions from Text" (CVPR 2022), at a
twentieth of their width: a convolution of four frames to a movement, a bidirectional GRU over the movements, and one
over the words. Other than there, the word vectors are learnt too, and all embeddings lie on one sphere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from atom.atomic_write import write_atomically
from atom.devices import resolve_device
from atom.errors import AtomError
from atom.evaluation.evaluator.base import TaggedText
from atom.evaluation.evaluator.networks import FRAMES_PER_MOVEMENT, INPUT_FEATURES, MovementEncoder, RecurrentEncoder
from atom.generation.weights import load_weights, read_safetensors
from atom.motion.features import FEATURES
from atom.motion.skeleton import MAX_FRAMES

BUILTIN = Path(__file__).parent / "small"
UNKNOWN = 0  # the id of any word that is not in the vocabulary

_CONFIG, _WEIGHTS = "config.json", "evaluator.safetensors"
_BATCH_SIZE = 128


@dataclass(frozen=True)
class SmallConfig:
    """The vocabulary, in the order of the word ids from 1 on, and the sizes of the networks."""

    words: tuple[str, ...]
    word_size: int = 64
    width: int = 112
    dimensions: int = 64


class SmallNetworks(nn.Module):
    """The networks for texts and motions. Both give vectors of length sqrt(dimensions), with entries of about 1."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: SmallConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(INPUT_FEATURES))
        self.register_buffer("std", torch.ones(INPUT_FEATURES))
        self.movement_encoder = MovementEncoder(INPUT_FEATURES, config.width, config.width)
        self.motion_encoder = RecurrentEncoder(config.width, config.width, config.dimensions)
        self.word_vectors = nn.Embedding(len(config.words) + 1, config.word_size)
        self.text_encoder = RecurrentEncoder(config.word_size, config.width, config.dimensions)

    def embed_texts(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Embed texts.

        Args:
            words: word ids (B, W).
            lengths: (B,), the number of words that count.

        Returns:
            (B, dimensions).
        """
        return self._on_sphere(self.text_encoder(self.word_vectors(words), lengths))

    def embed_motions(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Embed motions.

        Args:
            features: (B, T, 259), not normalised.
            lengths: (B,), the number of frames that count. They are multiples of 4 and at most T - 4, so that the last
                movement of a clip reads the same padding whatever else is in the batch.

        Returns:
            (B, dimensions).
        """
        inside = torch.arange(features.shape[1], device=features.device) < lengths[:, None].to(features.device)
        normalised = (features - self.mean) / self.std * inside[..., None]
        return self._on_sphere(self.motion_encoder(self.movement_encoder(normalised), lengths // FRAMES_PER_MOVEMENT))

    def _on_sphere(self, vectors: Tensor) -> Tensor:
        return functional.normalize(vectors, dim=-1) * self.config.dimensions**0.5


class SmallEvaluator:
    """The built-in evaluator. An embedding does not depend on what else is embedded at the same time."""

    name = "built-in"

    def __init__(self, networks: SmallNetworks, weights_hash: str, device: str = "cpu") -> None:
        self.weights_hash = weights_hash
        self._networks = networks.to(resolve_device(device)).eval()
        self._device = device
        self._ids = word_ids(networks.config.words)

    def find_unknown_words(self, text: str) -> list[str]:
        """The words of a text that are not in the vocabulary, each once; they all embed alike."""
        return [word for word in dict.fromkeys(split_words(text)) if word not in self._ids]

    def embed_texts(self, texts: Sequence[TaggedText]) -> np.ndarray:
        """(n, 64) float32. Only the words count, not their tags. Raises AtomError for a text without words."""
        rows = [encode_text(text.text, self._ids) for text in texts]
        for text, row in zip(texts, rows, strict=True):
            if not len(row):
                raise AtomError(f"the text {text.text!r} holds no word that could be embedded; describe a motion")
        return self._embed(rows, self._networks.embed_texts, padding=0)

    def embed_motions(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Raw features (T, 263) each -> (n, 64) float32.

        Frames beyond 196, or beyond the last whole movement of four, don't count. Raises AtomError that names the first
        motion of another shape, too short or not finite.
        """
        rows = [crop_features(row, f"motion {number}") for number, row in enumerate(features)]
        return self._embed(rows, self._networks.embed_motions, padding=FRAMES_PER_MOVEMENT)

    @torch.inference_mode()
    def _embed(self, rows: Sequence[np.ndarray], embed: Callable[[Tensor, Tensor], Tensor], padding: int) -> np.ndarray:
        """Embed rows of similar length together, and return them in the given order."""
        embedded = np.empty((len(rows), self._networks.config.dimensions), dtype=np.float32)
        order = np.argsort([len(row) for row in rows], kind="stable")
        for start in range(0, len(rows), _BATCH_SIZE):
            indices = order[start : start + _BATCH_SIZE]
            batch, lengths = pad_batch([rows[i] for i in indices], padding)
            embedded[indices] = embed(batch.to(self._device), lengths).float().cpu().numpy()
        return embedded


def load_small_evaluator(folder: Path = BUILTIN, device: str = "cpu") -> SmallEvaluator:
    """Load the evaluator in a folder.

    Args:
        folder: by default that of the evaluator in the package.
        device: a torch device.

    Raises:
        AtomError: names the missing or damaged file, or every key that doesn't fit.
    """
    config = _read_config(folder / _CONFIG)
    networks = SmallNetworks(config)
    state = {key: value.float() for key, value in read_safetensors(folder / _WEIGHTS).items()}
    load_weights(networks, state, str(folder / _WEIGHTS))
    digest = hashlib.sha256()
    for file in (_CONFIG, _WEIGHTS):
        digest.update(hashlib.sha256((folder / file).read_bytes()).digest())
    return SmallEvaluator(networks, digest.hexdigest(), device)


def save_small_evaluator(folder: Path, networks: SmallNetworks) -> None:
    """Write an evaluator's files, evaluator.safetensors (float16) and config.json.

    Args:
        folder: where they go; it is made if needed.
        networks: the trained networks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.half().contiguous() for key, value in networks.state_dict().items()}
    write_atomically(folder / _WEIGHTS, lambda path: save_file(tensors, path))
    (folder / _CONFIG).write_text(json.dumps(asdict(networks.config), indent=1) + "\n")


def word_ids(words: Iterable[str]) -> dict[str, int]:
    """The ids of a vocabulary, from 1 on in its order."""
    return {word: number for number, word in enumerate(words, start=1)}


def encode_text(text: str, ids: dict[str, int]) -> np.ndarray:
    """Encode a text to the ids (W,) of its words; case and punctuation don't count.

    Args:
        text: any text.
        ids: the ids of the vocabulary; other words get the id `UNKNOWN`.
    """
    return np.array([ids.get(word, UNKNOWN) for word in split_words(text)], dtype=np.int64)


def split_words(text: str) -> list[str]:
    """The words and numbers of a text in lower case, without punctuation."""
    return re.findall(r"[a-z0-9]+", text.lower())


def crop_features(features: np.ndarray, what: str) -> np.ndarray:
    """Crop raw features to what the networks read: whole movements, without the contacts.

    Args:
        features: (T, 263), not normalised.
        what: the name of the motion in an error.

    Returns:
        (at most 196, 259) float32.

    Raises:
        AtomError: for another shape, fewer than 4 frames or numbers that are not finite.
    """
    features = np.asarray(features)
    if features.ndim != 2 or features.shape[1] != FEATURES or len(features) < FRAMES_PER_MOVEMENT:
        raise AtomError(
            f"{what} has shape {features.shape}, not ({FRAMES_PER_MOVEMENT} frames or more, {FEATURES} features)"
        )
    frames = min(len(features), MAX_FRAMES) // FRAMES_PER_MOVEMENT * FRAMES_PER_MOVEMENT
    kept = features[:frames, :INPUT_FEATURES].astype(np.float32)
    if not np.isfinite(kept).all():
        raise AtomError(f"{what} holds NaN or infinity, first in frame {np.isfinite(kept).all(1).argmin()}")
    return kept


def pad_batch(rows: Sequence[np.ndarray], padding: int = 0) -> tuple[Tensor, Tensor]:
    """Pad rows of different lengths with zeros to one batch.

    Args:
        rows: (length, ...) each.
        padding: zeros after the longest row.

    Returns:
        The batch (B, longest + padding, ...) and the lengths (B,).
    """
    lengths = [len(row) for row in rows]
    batch = np.zeros((len(rows), max(lengths) + padding, *rows[0].shape[1:]), dtype=rows[0].dtype)
    for index, row in enumerate(rows):
        batch[index, : len(row)] = row
    return torch.from_numpy(batch), torch.tensor(lengths)


def _read_config(path: Path) -> SmallConfig:
    try:
        values = json.loads(path.read_text())
        words, sizes = values.pop("words"), {name: int(value) for name, value in values.items()}
        if too_small := [name for name, value in sizes.items() if value < 1]:
            raise ValueError(f"{too_small[0]} is below 1")
        return SmallConfig(tuple(map(str, words)), **sizes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AtomError(f"can't read {path}: {error!r}; make the evaluator with `atom pretrain-evaluator`") from error
