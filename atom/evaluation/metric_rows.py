"""From motions to the metrics of text-to-motion: what was asked for, what it should have looked like, what came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from atom.config import MetricsConfig
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.evaluation.evaluator.base import Evaluator, TaggedText
from atom.evaluation.metrics import text_to_motion_metrics
from atom.events import Event
from atom.humanml3d.dataset import HumanML3D, QuarantineEntry
from atom.motion.features import joints_to_features

AT_ONCE = 256  # motions embedded at a time: bounds the memory, and is enough to sort them by length
SHORTEST = 4  # frames of one movement, which evaluators need at least
One = TypeVar("One")


@dataclass(frozen=True)
class Reference:
    """A text, and a real motion of it as raw features (T, 263)."""

    key: str
    text: TaggedText
    features: np.ndarray


@dataclass(frozen=True)
class EmbeddedReferences:
    """All that was asked for, in one order: keys, lengths of the real motions in frames, embeddings (n, d)."""

    keys: list[str]
    lengths: list[int]
    texts: np.ndarray
    real: np.ndarray


GeneratedSample = tuple[str, int, np.ndarray]
"""The key of what was asked for, the number of the sample, raw features (T, 263) with at least one frame."""


def references_from_prompts(prompts: Iterable[Mapping[str, Any]], seed: int) -> Iterator[Reference]:
    """Prompts with their events, and what the built-in corpus makes of these."""
    for number, prompt in enumerate(prompts):
        events = tuple(Event(row["action"], row["count"], row["phrase"]) for row in prompt["events"])
        motion = make_motion(events, np.random.default_rng([seed, 51, number]))
        yield Reference(prompt["prompt_id"], TaggedText(prompt["text"]), joints_to_features(motion.joints))


def references_from_dataset(
    settings: MetricsConfig, seed: int, quarantined: list[QuarantineEntry] | None = None
) -> Iterator[Reference]:
    """One caption of each motion of HumanML3D's split, at most `settings.captions`; what can't be used joins
    `quarantined`."""
    assert settings.dataset is not None
    used: Counter[str] = Counter()  # of the keys: a part of a clip may be told of twice
    for number, item in enumerate(HumanML3D(settings.dataset).draw_one_caption_each(settings.split, seed, quarantined)):
        if settings.captions and number == settings.captions:
            return
        key = item.id if item.caption.is_whole_clip else f"{item.id} {item.caption.start:g}-{item.caption.end:g}"
        used[key] += 1
        key = key if used[key] == 1 else f"{key} ({used[key]})"
        yield Reference(key, TaggedText(item.caption.text, item.caption.tokens), item.features)


def embed_references(evaluator: Evaluator, asked: Iterable[Reference]) -> EmbeddedReferences:
    """Raises AtomError when nothing is asked for."""
    keys: list[str] = []
    lengths: list[int] = []
    texts, real = [], []
    for some in _batches(asked):
        keys += [one.key for one in some]
        lengths += [len(one.features) for one in some]
        texts.append(evaluator.embed_texts([one.text for one in some]))
        real.append(evaluator.embed_motions([one.features for one in some]))
    if not keys:
        raise AtomError("there are no texts to measure on: check evaluation.metrics.dataset and its split")
    return EmbeddedReferences(keys, lengths, np.concatenate(texts), np.concatenate(real))


def embed_generated(evaluator: Evaluator, truth: EmbeddedReferences, made: Iterable[GeneratedSample]) -> np.ndarray:
    """Embeddings (n, samples, d) of motions in the order of `truth`, each cut to the length of the real one, as the
    peers do; as many samples as the text with the fewest has. AtomError for a text without any."""
    lengths = dict(zip(truth.keys, truth.lengths, strict=True))
    found: dict[str, dict[int, np.ndarray]] = {key: {} for key in truth.keys}
    for some in _batches(one for one in made if one[0] in lengths):
        cut = [_long_enough(features[: max(lengths[key], SHORTEST)]) for key, _, features in some]
        for (key, sample, _), embedding in zip(some, evaluator.embed_motions(cut), strict=True):
            found[key][sample] = embedding
    samples = min(map(len, found.values()))
    if not samples:
        missing = next(key for key, motions in found.items() if not motions)
        raise AtomError(f"no motion was made for {missing!r}: make it, or leave the metrics out")
    return np.stack([[motions[i] for i in sorted(motions)[:samples]] for motions in found.values()])


def compute_metric_rows(
    truth: EmbeddedReferences, arms: Mapping[str, np.ndarray], settings: MetricsConfig, evaluator: str, seed: int
) -> list[dict[str, Any]]:
    """A row for each arm and metric, those of the real motions first."""
    rows: list[dict[str, Any]] = []
    for arm, generated in arms.items():
        found = text_to_motion_metrics(
            truth.texts,
            truth.real,
            generated,
            replications=settings.replications,
            seed=seed,
            diversity_pairs=settings.diversity_pairs,
            multimodality_pairs=settings.multimodality_pairs,
        )
        for name, figures in found.items():
            if name == "real" and rows:
                continue
            rows += [
                {
                    "arm": "real" if name == "real" else arm,
                    "metric": metric,
                    "mean": figure.mean,
                    "half_width": figure.half_width,
                    "replications": figure.replications,
                    "texts": len(truth.keys),
                    "evaluator": evaluator,
                    "data": "HumanML3D" if settings.dataset else "corpus",
                }
                for metric, figure in figures.items()
            ]
    return rows


def _batches(items: Iterable[One]) -> Iterator[list[One]]:
    items = iter(items)
    while some := list(islice(items, AT_ONCE)):
        yield some


def _long_enough(features: np.ndarray) -> np.ndarray:
    return np.pad(features, ((0, max(SHORTEST - len(features), 0)), (0, 0)), mode="edge")
