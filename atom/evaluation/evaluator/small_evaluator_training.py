"""Trains the built-in evaluator on corpus motions with right and wrong captions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from atom.config import ConfigSection
from atom.corpus.caption_noise import CaptionNoise, corrupt_events
from atom.corpus.corpus_shards import SHARD_CLIPS, build_corpus, read_corpus
from atom.errors import AtomError
from atom.evaluation.evaluator.base import Evaluator, TaggedText
from atom.evaluation.evaluator.networks import FRAMES_PER_MOVEMENT
from atom.evaluation.evaluator.small_evaluator import (
    INPUT_FEATURES,
    UNKNOWN,
    SmallConfig,
    SmallNetworks,
    encode_text,
    load_small_evaluator,
    pad_batch,
    save_small_evaluator,
    word_ids,
)
from atom.evaluation.metric_rows import Reference
from atom.evaluation.metrics import euclidean_distances, r_precision, retrieval_ranks
from atom.events import ACTIONS, MAX_COUNT, Composition, Split, assign_split, mirror_action
from atom.generation.generator import Generator
from atom.generation.vqvae_training import compute_block_statistics
from atom.judging.detection_quality import make_known_motions
from atom.judging.retrieval_judge import measure_anchors
from atom.motion.features import joints_to_features
from atom.motion.mirroring import mirror_features
from atom.prompts.wording import caption, vocabulary
from atom.training_state import ProgressCallback, TrainingState, set_learning_rate, warmup_cosine_rate

POOL_SIZE = 32
_SAVE_EVERY = 250
_STATISTICS_CLIPS = 2_000  # whose frames give mean and std


class SmallEvaluatorTrainingConfig(ConfigSection):
    """How the built-in evaluator is trained. The defaults are those of the evaluator in the package."""

    seed: int = Field(1, ge=0)
    clips: int = Field(12_000, ge=SHARD_CLIPS)
    workers: int = Field(1, ge=1, description="processes that make the corpus")
    judged: int = Field(
        1_000, ge=2 * POOL_SIZE, description="motions drawn to measure the evaluator; of equal compositions one counts"
    )
    word_size: int = 64
    width: int = 112
    dimensions: int = 64
    steps: int = 3_300
    batch: int = Field(64, ge=2)
    wrong_captions: int = Field(3, ge=0, description="wrong captions for each motion")
    unknown_words: float = Field(
        0.02, ge=0, lt=1, description="share of words hidden, so that unknown words are learnt too"
    )
    temperature: float = Field(0.07, gt=0)
    learning_rate: float = 2e-3
    warmup: int = 100


@dataclass(frozen=True)
class EvaluatorExample:
    """Features (T, 263), float16 to save memory, and the events in them."""

    features: np.ndarray
    events: Composition


KnownFeatures = tuple[Composition, np.ndarray]
"""The events of a motion and its raw features (T, 263)."""


def pretrain_evaluator(
    output: Path, config: SmallEvaluatorTrainingConfig, work: Path, progress: ProgressCallback
) -> dict[str, Any]:
    """Train the evaluator, save it and measure it on compositions that were not in its training.

    Args:
        output: the folder of the evaluator.
        config: the settings of the training.
        work: keeps the motions and the state of the training.
        progress: is called with the step of the work, the number done, the total and a note.

    Returns:
        What training.json holds: the command, the config, the hash of the weights, the anchors of the retrieval judge
        (see `atom.judging.retrieval_judge`), and the quality on validation motions as they are ("clean") and after a
        round trip through the generator's codes ("decoded").
    """
    save_small_evaluator(output, train_evaluator(config, work, progress))
    evaluator = load_small_evaluator(output)
    clean = make_distinct_motions(config.judged, "val", config.seed)
    generator = Generator.load()
    decoded = generator.decode(generator.encode([features for _, features in clean]))
    decoded_features = [
        (events, joints_to_features(joints)) for (events, _), joints in zip(clean, decoded, strict=True)
    ]
    record = {
        "command": "atom pretrain-evaluator",
        "config": config.model_dump(),
        "weights": evaluator.weights_hash,
        "anchors": asdict(measure_anchors(evaluator, make_references(clean, config.seed))),
        "quality": {
            "clean": measure_evaluator_quality(evaluator, clean),
            "decoded": measure_evaluator_quality(evaluator, decoded_features),
        },
    }
    (output / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    return record


def train_evaluator(config: SmallEvaluatorTrainingConfig, work: Path, progress: ProgressCallback) -> SmallNetworks:
    """Train the networks of the evaluator.

    The loss is InfoNCE in both directions (van den Oord et al. 2018, arXiv 1807.03748) with the negative squared
    Euclidean distance as similarity, because the metrics rank by it. Wrong captions are further negatives of a motion.

    Args:
        config: the settings of the training.
        work: keeps the motions and the state of the training. An interrupted training resumes from there and ends with
            the same weights.
        progress: is called with the step of the work, the number done, the total and a note.

    Raises:
        AtomError: when the loss is no longer finite.
    """
    paths = build_corpus(
        work / "corpus",
        config.clips,
        config.seed,
        config.workers,
        lambda done, total: progress("motions", done, total, ""),
    )
    examples = [EvaluatorExample(clip.features.astype(np.float16), clip.events) for clip in read_corpus(paths)]
    torch.manual_seed(config.seed)
    words = tuple(sorted(vocabulary()))
    networks = SmallNetworks(SmallConfig(words, config.word_size, config.width, config.dimensions)).train()
    mean, std = compute_block_statistics(example.features for example in islice(examples, _STATISTICS_CLIPS))
    networks.mean.copy_(torch.from_numpy(mean[:INPUT_FEATURES]))
    networks.std.copy_(torch.from_numpy(std[:INPUT_FEATURES]))
    optimizer = torch.optim.AdamW(networks.parameters(), lr=config.learning_rate, weight_decay=0.01)
    state = TrainingState(work / "evaluator.pt", networks, optimizer, config.steps, _SAVE_EVERY)
    ids = word_ids(words)
    smooth = math.nan
    for step in range(state.restore(), config.steps):
        # A generator for each step, so that a resumed training draws the same.
        rng = np.random.default_rng([config.seed, 40, step])
        torch.manual_seed(int(rng.integers(2**31)))  # for dropout
        indices = rng.choice(len(examples), config.batch, replace=False)
        batch = [randomly_mirror(examples[i], rng) for i in indices]
        captions, same = make_captions(batch, config.wrong_captions, rng)
        texts = networks.embed_texts(
            *pad_batch([hide_words(encode_text(text, ids), config.unknown_words, rng) for text in captions])
        )
        rows = [example.features[:, :INPUT_FEATURES].astype(np.float32) for example in batch]
        motions = networks.embed_motions(*pad_batch(rows, FRAMES_PER_MOVEMENT))
        loss = contrastive_loss(texts, motions, same, config.temperature)
        set_learning_rate(
            optimizer, warmup_cosine_rate(config.learning_rate, step, config.steps, config.warmup, floor=0.01)
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(networks.parameters(), 1.0)
        optimizer.step()
        done, value = step + 1, loss.item()
        if not math.isfinite(value):
            raise AtomError(f"the evaluator's loss became {value} at step {done}: lower its learning_rate")
        smooth = value if math.isnan(smooth) else 0.98 * smooth + 0.02 * value
        state.save_if_due(done)
        progress("evaluator", done, config.steps, f"loss {smooth:.3f}")
    return networks.eval()


def contrastive_loss(texts: Tensor, motions: Tensor, same: Tensor, temperature: float) -> Tensor:
    """The mean cross entropy of finding the text of each motion among all texts, and its motion among all motions.

    Args:
        texts: (B + W, d), the embedded true captions, then the wrong ones.
        motions: (B, d), the embedded motions.
        same: (B, B + W), true where a text describes the events of a motion. Such texts are no negatives of the motion.
        temperature: the similarity is divided by it.
    """
    size, dimensions = motions.shape
    similarity = -torch.cdist(motions, texts).square() / (2 * dimensions * temperature)
    own = torch.eye(size, same.shape[1], dtype=torch.bool)
    similarity = similarity.masked_fill(same & ~own, -math.inf)
    target = torch.arange(size)
    return functional.cross_entropy(similarity, target) + functional.cross_entropy(similarity[:, :size].T, target)


def make_captions(batch: Sequence[EvaluatorExample], wrong: int, rng: np.random.Generator) -> tuple[list[str], Tensor]:
    """Make true and wrong captions for a batch.

    Args:
        batch: B motions with their events.
        wrong: the largest number of wrong captions for each motion.
        rng: draws the errors and the wording.

    Returns:
        The B true captions, then the W wrong ones; and (B, B + W), true where a caption describes the events of a
        motion. No caption describes a composition of another split, not even a wrong one.
    """
    batch_events = [example.events for example in batch]
    errors = list(CAPTION_ERRORS.values())
    for example in batch:
        wrong_events = [errors[rng.integers(len(errors))](example.events, rng) for _ in range(wrong)]
        batch_events += [events for events in wrong_events if events and assign_split(events) == "train"]
    same = torch.tensor([[events == example.events for events in batch_events] for example in batch])
    return [caption(events, rng)[0] for events in batch_events], same


def randomly_mirror(example: EvaluatorExample, rng: np.random.Generator) -> EvaluatorExample:
    """Mirror a motion half of the time, unless its mirrored events belong to another split.

    Args:
        example: a motion with its events.
        rng: decides.
    """
    events = tuple(replace(event, action=mirror_action(event.action)) for event in example.events)
    if rng.random() < 0.5 or assign_split(events) != "train":
        return example
    return EvaluatorExample(mirror_features(example.features), events)


def hide_words(ids: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Replace words by the unknown word.

    Args:
        ids: (W,), the ids of the words.
        share: the probability of each word to be replaced.
        rng: draws the words.
    """
    return np.where(rng.random(len(ids)) < share, UNKNOWN, ids)


# The errors of wrong captions. Each takes the events of a motion and a generator of random numbers, and returns the
# events of a wrong caption, or None where the error is impossible.


def swap_neighbours(events: Composition, rng: np.random.Generator) -> Composition | None:
    """Swap two neighbours. None for a single event."""
    return corrupt_events(events, rng, CaptionNoise(drop=0, swap=1, miscount=0)) if len(events) > 1 else None


def drop_event(events: Composition, rng: np.random.Generator) -> Composition | None:
    """Leave out one event. None for a single event."""
    return corrupt_events(events, rng, CaptionNoise(drop=1, swap=0, miscount=0)) if len(events) > 1 else None


def change_count(events: Composition, rng: np.random.Generator) -> Composition | None:
    """Let one event happen once more or once less. None where no event is countable."""
    countable = [position for position, event in enumerate(events) if ACTIONS[event.action].countable]
    if not countable:
        return None
    position = countable[rng.integers(len(countable))]
    counts = [count for count in (events[position].count - 1, events[position].count + 1) if 1 <= count <= MAX_COUNT]
    return _change_event(events, position, count=counts[rng.integers(len(counts))])


def replace_action(events: Composition, rng: np.random.Generator) -> Composition:
    """Replace the action of one event: half of the time by that of the other side, if it has one."""
    position = rng.integers(len(events))
    event = events[position]
    if event.action != mirror_action(event.action) and rng.random() < 0.5:
        return _change_event(events, position, action=mirror_action(event.action))
    others = [name for name in ACTIONS if name != event.action]
    action = others[rng.integers(len(others))]
    return _change_event(events, position, action=action, count=event.count if ACTIONS[action].countable else 1)


CAPTION_ERRORS: dict[str, Callable[[Composition, np.random.Generator], Composition | None]] = {
    "swapped": swap_neighbours,
    "recounted": change_count,
    "replaced": replace_action,
    "dropped": drop_event,
}


def make_distinct_motions(draws: int, split: Split, seed: int) -> list[KnownFeatures]:
    """Make motions of random compositions, each composition once.

    No text could distinguish two motions of one composition, and some compositions are drawn often, such as kneeling
    down and getting up.

    Args:
        draws: the number of motions before equal compositions are dropped.
        split: the split of the compositions.
        seed: decides the motions.
    """
    return [
        (events, joints_to_features(joints)) for events, joints in dict(make_known_motions(draws, split, seed)).items()
    ]


def make_references(motions: Sequence[KnownFeatures], seed: int) -> list[Reference]:
    """Texts with their motions, for the anchors of the retrieval judge.

    Args:
        motions: the events and features of each motion.
        seed: decides the wording of the texts.
    """
    rng = np.random.default_rng([seed, 42])
    return [
        Reference(str(number), TaggedText(caption(events, rng)[0]), features)
        for number, (events, features) in enumerate(motions)
    ]


def measure_evaluator_quality(evaluator: Evaluator, motions: Sequence[KnownFeatures], seed: int = 1) -> dict[str, Any]:
    """Measure how well an evaluator retrieves motions by their texts.

    Args:
        evaluator: the evaluator.
        motions: the events and features of each motion.
        seed: decides the captions and the pools.

    Returns:
        The number of `motions`; `r_precision` for the top 1, 2 and 3 in pools of 32, without the last incomplete one;
        `matching`, the mean distance of motion and text; and `nearer`, for each kind of caption error the share of
        motions that are nearer to their own caption than to one with such an error.
    """
    rng = np.random.default_rng([seed, 41])
    embedded = evaluator.embed_motions([features for _, features in motions])
    own = _embed_captions(evaluator, [events for events, _ in motions], rng)
    pools = rng.permutation(len(motions))[: len(motions) // POOL_SIZE * POOL_SIZE].reshape(-1, POOL_SIZE)
    ranks = retrieval_ranks(np.stack([euclidean_distances(own[rows], embedded[rows]) for rows in pools]))
    matching = np.linalg.norm(embedded - own, axis=1)
    nearer = {}
    for name, make_error in CAPTION_ERRORS.items():
        wrong_events = [(position, make_error(events, rng)) for position, (events, _) in enumerate(motions)]
        positions = [position for position, events in wrong_events if events]
        wrong = _embed_captions(evaluator, [events for _, events in wrong_events if events], rng)
        farther = np.linalg.norm(embedded[positions] - wrong, axis=1) > matching[positions]
        nearer[name] = round(float(farther.mean()), 4)
    return {
        "motions": len(motions),
        "r_precision": [round(float(share), 4) for share in r_precision(ranks)],
        "matching": round(float(matching.mean()), 4),
        "nearer": nearer,
    }


def _embed_captions(evaluator: Evaluator, compositions: Sequence[Composition], rng: np.random.Generator) -> np.ndarray:
    return evaluator.embed_texts([TaggedText(caption(events, rng)[0]) for events in compositions])


def _change_event(events: Composition, position: int, **changes: Any) -> Composition:
    return (*events[:position], replace(events[position], **changes), *events[position + 1 :])
