"""From reference and generated motions to the rows of the metrics table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from atom.config import MetricsConfig
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.evaluation.evaluator.base import Evaluator, TaggedText
from atom.evaluation.metrics import text_to_motion_metrics
from atom.events import Event, is_known
from atom.humanml3d.dataset import HumanML3D, QuarantineEntry
from atom.motion.features import joints_to_features

BATCH_SIZE = 256  # motions embedded at a time: bounds the memory, and is enough to sort them by length
MIN_FRAMES = 4  # of one movement, the shortest motion that evaluators take
Element = TypeVar("Element")


@dataclass(frozen=True)
class Reference:
    """A text and a real motion of it, as raw features (T, 263)."""

    key: str
    text: TaggedText
    features: np.ndarray


@dataclass(frozen=True)
class EmbeddedReferences:
    """All references in one order: keys, lengths of the real motions in frames, embedded texts and motions (n, d)."""

    keys: list[str]
    lengths: list[int]
    texts: np.ndarray
    real: np.ndarray


GeneratedSample = tuple[str, int, np.ndarray]
"""The key of its reference, the number of the sample, and raw features (T, 263) with at least one frame."""


def references_from_prompts(prompts: Iterable[Mapping[str, Any]], seed: int) -> Iterator[Reference]:
    """Make references from prompts, with the motions that the built-in corpus makes of their events.

    A prompt whose events the corpus can't make has no reference: an action is open, some happen at the same time, or
    they don't follow each other.

    Args:
        prompts: rows of the prompts table.
        seed: decides the motions.
    """
    for number, prompt in enumerate(prompts):
        events = [Event.from_dict(row) for row in prompt["events"]]
        # The corpus animates known actions, one after the other: it has no true motion of other prompts.
        if not all(is_known(event.action) and event.group is None for event in events):
            continue
        counted = tuple(replace(event, count=event.count or 1) for event in events)
        try:
            motion = make_motion(counted, np.random.default_rng([seed, 51, number]))
        except AtomError:
            continue
        yield Reference(prompt["prompt_id"], TaggedText(prompt["text"]), joints_to_features(motion.joints))


def references_from_dataset(
    settings: MetricsConfig, seed: int, quarantined: list[QuarantineEntry] | None = None
) -> Iterator[Reference]:
    """Read one caption of each motion of HumanML3D's split.

    Args:
        settings: name the dataset, the split and the largest number of captions.
        seed: decides the captions.
        quarantined: a list to which motions that can't be used are added.
    """
    assert settings.dataset is not None
    used: Counter[str] = Counter()  # of the keys: several captions may describe one part of a clip
    for number, item in enumerate(HumanML3D(settings.dataset).draw_one_caption_each(settings.split, seed, quarantined)):
        if settings.captions and number == settings.captions:
            return
        key = item.id if item.caption.is_whole_clip else f"{item.id} {item.caption.start:g}-{item.caption.end:g}"
        used[key] += 1
        key = key if used[key] == 1 else f"{key} ({used[key]})"
        yield Reference(key, TaggedText(item.caption.text, item.caption.tokens), item.features)


def embed_references(evaluator: Evaluator, references: Iterable[Reference]) -> EmbeddedReferences:
    """Embed the texts and real motions of all references.

    Args:
        evaluator: what embeds them.
        references: in any order, which stays.

    Raises:
        AtomError: without a reference.
    """
    keys: list[str] = []
    lengths: list[int] = []
    texts, real = [], []
    for batch in _batches(references):
        keys += [reference.key for reference in batch]
        lengths += [len(reference.features) for reference in batch]
        texts.append(evaluator.embed_texts([reference.text for reference in batch]))
        real.append(evaluator.embed_motions([reference.features for reference in batch]))
    if not keys:
        raise AtomError("there are no texts to measure on: check evaluation.metrics.dataset and its split")
    return EmbeddedReferences(keys, lengths, np.concatenate(texts), np.concatenate(real))


def embed_generated(
    evaluator: Evaluator, references: EmbeddedReferences, generated: Iterable[GeneratedSample]
) -> np.ndarray:
    """Embed generated motions, each cut to the length of its reference, as the code of Guo and of MotionGPT does.

    Args:
        evaluator: what embeds them.
        references: the embedded references.
        generated: the motions in any order; those without a reference are ignored.

    Returns:
        (n, samples, d) in the order of the references, with as many samples as the text with the fewest has.

    Raises:
        AtomError: for a text without a motion.
    """
    lengths = dict(zip(references.keys, references.lengths, strict=True))
    embeddings: dict[str, dict[int, np.ndarray]] = {key: {} for key in references.keys}
    for batch in _batches(sample for sample in generated if sample[0] in lengths):
        cut = [_pad_to_min_frames(features[: max(lengths[key], MIN_FRAMES)]) for key, _, features in batch]
        for (key, sample, _), embedding in zip(batch, evaluator.embed_motions(cut), strict=True):
            embeddings[key][sample] = embedding
    # MultiModality needs the same number of motions of each text.
    samples = min(map(len, embeddings.values()))
    if not samples:
        missing = next(key for key, motions in embeddings.items() if not motions)
        raise AtomError(f"no motion was made for {missing!r}: make it, or leave the metrics out")
    return np.stack([[motions[i] for i in sorted(motions)[:samples]] for motions in embeddings.values()])


def compute_metric_rows(
    references: EmbeddedReferences, arms: Mapping[str, np.ndarray], settings: MetricsConfig, evaluator: str, seed: int
) -> list[dict[str, Any]]:
    """Compute the rows of the metrics table.

    Args:
        references: the embedded references.
        arms: the embedded generated motions (n, samples, d) of each arm.
        settings: the settings of the metrics.
        evaluator: the name of the evaluator, a column of the rows.
        seed: decides the draws of the metrics.

    Returns:
        A row for each arm and metric, those of the real motions first.
    """
    rows: list[dict[str, Any]] = []
    for arm, generated in arms.items():
        metrics = text_to_motion_metrics(
            references.texts,
            references.real,
            generated,
            replications=settings.replications,
            seed=seed,
            diversity_pairs=settings.diversity_pairs,
            multimodality_pairs=settings.multimodality_pairs,
        )
        for name, intervals in metrics.items():
            if name == "real" and rows:  # the real motions are the same for each arm
                continue
            rows += [
                {
                    "arm": "real" if name == "real" else arm,
                    "metric": metric,
                    "mean": interval.mean,
                    "half_width": interval.half_width,
                    "replications": interval.replications,
                    "texts": len(references.keys),
                    "evaluator": evaluator,
                    "data": "HumanML3D" if settings.dataset else "corpus",
                }
                for metric, interval in intervals.items()
            ]
    return rows


def _batches(items: Iterable[Element]) -> Iterator[list[Element]]:
    items = iter(items)
    while batch := list(islice(items, BATCH_SIZE)):
        yield batch


def _pad_to_min_frames(features: np.ndarray) -> np.ndarray:
    return np.pad(features, ((0, max(MIN_FRAMES - len(features), 0)), (0, 0)), mode="edge")
