"""Trains the built-in evaluator on corpus motions and what does and does not happen in them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
from atom.corpus.dataset import SHARD_CLIPS, build_corpus, read_corpus
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
    padded,
    save_small_evaluator,
    word_ids,
)
from atom.evaluation.metrics import distances, r_precision, retrieval_ranks
from atom.events import ACTIONS, MAX_COUNT, Composition, Split, mirror_action, assign_split
from atom.generation.generator import Generator
from atom.generation.vqvae_training import block_statistics
from atom.judging.detection_quality import make_known_motions
from atom.motion.features import joints_to_features
from atom.motion.mirroring import mirror_features
from atom.prompts.wording import caption, vocabulary
from atom.training_state import ProgressCallback, TrainingState, cosine_decay, set_learning_rate

POOL = 32
_SAVE_EVERY = 250
_MEASURED_CLIPS = 2_000  # whose frames give mean and std


class SmallEvaluatorTrainingConfig(ConfigSection):
    """How the built-in evaluator is trained. The defaults are what the shipped one was made with."""

    seed: int = Field(1, ge=0)
    clips: int = Field(12_000, ge=SHARD_CLIPS)
    workers: int = Field(1, ge=1, description="processes that make the corpus")
    judged: int = Field(
        1_000, ge=2 * POOL, description="motions drawn for the figures; of equal compositions one counts"
    )
    word_size: int = 64
    width: int = 112
    dimensions: int = 64
    steps: int = 3_300
    batch: int = Field(64, ge=2)
    wrong_captions: int = Field(3, ge=0, description="captions of each motion that tell something else")
    unknown_words: float = Field(
        0.02, ge=0, lt=1, description="share of words hidden, so that unknown ones have a place"
    )
    temperature: float = Field(0.07, gt=0)
    learning_rate: float = 2e-3
    warmup: int = 100


@dataclass(frozen=True)
class Example:
    """features (T, 263), float16 to save memory, and what happens in them."""

    features: np.ndarray
    events: Composition


Known = tuple[Composition, np.ndarray]
"""What happens in a motion, and its raw features (T, 263)."""


def pretrain_evaluator(
    output: Path, config: SmallEvaluatorTrainingConfig, work: Path, progress: ProgressCallback
) -> dict[str, Any]:
    """Makes the evaluator's folder `output` and returns what it was made with and how well it tells motions apart, on
    compositions that were never in its training, as they are and after a round trip through the generator's codes."""
    save_small_evaluator(output, train_evaluator(config, work, progress))
    evaluator = load_small_evaluator(output)
    clean = distinct_motions(config.judged, "val", config.seed)
    generator = Generator.load()
    decoded = generator.decode(generator.encode([features for _, features in clean]))
    again = [(events, joints_to_features(joints)) for (events, _), joints in zip(clean, decoded, strict=True)]
    figures = {
        "command": "atom pretrain-evaluator",
        "config": config.model_dump(),
        "weights": evaluator.weights_hash,
        "quality": {"clean": evaluator_quality(evaluator, clean), "decoded": evaluator_quality(evaluator, again)},
    }
    (output / "training.json").write_text(json.dumps(figures, indent=1) + "\n")
    return figures


def train_evaluator(config: SmallEvaluatorTrainingConfig, work: Path, progress: ProgressCallback) -> SmallNetworks:
    """The trained networks. The work folder keeps the motions and the training's state; a training that was cut off
    goes on from there and ends with the same weights.

    The loss is InfoNCE in both directions (van den Oord et al. 2018, arXiv 1807.03748) with the negative squared
    Euclidean distance as likeness, which is what the metrics rank by; a motion is also held against wrong captions.
    """
    paths = build_corpus(
        work / "corpus",
        config.clips,
        config.seed,
        config.workers,
        lambda done, total: progress("motions", done, total, ""),
    )
    examples = [Example(clip.features.astype(np.float16), clip.events) for clip in read_corpus(paths)]
    torch.manual_seed(config.seed)
    words = tuple(sorted(vocabulary()))
    networks = SmallNetworks(SmallConfig(words, config.word_size, config.width, config.dimensions)).train()
    mean, std = block_statistics(example.features for example in islice(examples, _MEASURED_CLIPS))
    networks.mean.copy_(torch.from_numpy(mean[:INPUT_FEATURES]))
    networks.std.copy_(torch.from_numpy(std[:INPUT_FEATURES]))
    optimizer = torch.optim.AdamW(networks.parameters(), lr=config.learning_rate, weight_decay=0.01)
    state = TrainingState(work / "evaluator.pt", networks, optimizer, config.steps, _SAVE_EVERY)
    ids = word_ids(words)
    smooth = math.nan
    for step in range(state.restore(), config.steps):
        rng = np.random.default_rng([config.seed, 40, step])  # of each step, so that a break changes nothing
        torch.manual_seed(int(rng.integers(2**31)))  # dropout
        chosen = rng.choice(len(examples), config.batch, replace=False)
        batch = [maybe_mirrored(examples[i], rng) for i in chosen]
        told, same = captions(batch, config.wrong_captions, rng)
        texts = networks.embed_texts(
            *padded([with_unknown(encode_text(text, ids), config.unknown_words, rng) for text in told])
        )
        rows = [example.features[:, :INPUT_FEATURES].astype(np.float32) for example in batch]
        motions = networks.embed_motions(*padded(rows, FRAMES_PER_MOVEMENT))
        loss = contrastive_loss(texts, motions, same, config.temperature)
        rate = (
            config.learning_rate
            * min(1, (step + 1) / config.warmup)
            * (0.01 + 0.99 * cosine_decay(step / config.steps))
        )
        set_learning_rate(optimizer, rate)
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
    """Mean cross entropy of finding the text of each motion among all texts, and its motion among all motions.

    texts (B + W, d): the true captions first, then the wrong ones; motions (B, d); same (B, B + W) is true where a
    text tells what happens in a motion, so that only one's own caption counts and the others are left out.
    """
    size, dimensions = motions.shape
    likeness = -torch.cdist(motions, texts).square() / (2 * dimensions * temperature)
    own = torch.eye(size, same.shape[1], dtype=torch.bool)
    likeness = likeness.masked_fill(same & ~own, -math.inf)
    target = torch.arange(size)
    return functional.cross_entropy(likeness, target) + functional.cross_entropy(likeness[:, :size].T, target)


def captions(batch: Sequence[Example], wrong: int, rng: np.random.Generator) -> tuple[list[str], Tensor]:
    """B true captions and then up to `wrong` wrong ones of each motion; and (B, B + W), where a caption tells what
    happens in a motion. Compositions of other splits are never told, not even as wrong ones."""
    told = [example.events for example in batch]
    for example in batch:
        mistaken = [list(WRONGS.values())[rng.integers(len(WRONGS))](example.events, rng) for _ in range(wrong)]
        told += [events for events in mistaken if events and assign_split(events) == "train"]
    same = torch.tensor([[events == example.events for events in told] for example in batch])
    return [caption(events, rng)[0] for events in told], same


def maybe_mirrored(example: Example, rng: np.random.Generator) -> Example:
    """Half of the time the mirror image, unless what happens in it belongs to another split."""
    events = tuple(replace(event, action=mirror_action(event.action)) for event in example.events)
    if rng.random() < 0.5 or assign_split(events) != "train":
        return example
    return Example(mirror_features(example.features), events)


def with_unknown(ids: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(len(ids)) < share, UNKNOWN, ids)


def swapped(events: Composition, rng: np.random.Generator) -> Composition | None:
    """Two neighbours in the other order; None for a single event."""
    return corrupt_events(events, rng, CaptionNoise(drop=0, swap=1, miscount=0)) if len(events) > 1 else None


def dropped(events: Composition, rng: np.random.Generator) -> Composition | None:
    """One event left out; None for a single one."""
    return corrupt_events(events, rng, CaptionNoise(drop=1, swap=0, miscount=0)) if len(events) > 1 else None


def recounted(events: Composition, rng: np.random.Generator) -> Composition | None:
    """One event happens once more or once less; None where none can be counted."""
    countable = [place for place, event in enumerate(events) if ACTIONS[event.action].countable]
    if not countable:
        return None
    place = countable[rng.integers(len(countable))]
    counts = [count for count in (events[place].count - 1, events[place].count + 1) if 1 <= count <= MAX_COUNT]
    return _changed(events, place, count=counts[rng.integers(len(counts))])


def replaced(events: Composition, rng: np.random.Generator) -> Composition:
    """Another action in the place of one event: half of the time with the other side, where it has one."""
    place = rng.integers(len(events))
    event = events[place]
    if event.action != mirror_action(event.action) and rng.random() < 0.5:
        return _changed(events, place, action=mirror_action(event.action))
    others = [name for name in ACTIONS if name != event.action]
    action = others[rng.integers(len(others))]
    return _changed(events, place, action=action, count=event.count if ACTIONS[action].countable else 1)


WRONGS: dict[str, Callable[[Composition, np.random.Generator], Composition | None]] = {
    "swapped": swapped,
    "recounted": recounted,
    "replaced": replaced,
    "dropped": dropped,
}


def distinct_motions(drawn: int, split: Split, seed: int) -> list[Known]:
    """Random compositions of a split, each once: no text could tell two motions of the same composition apart. Some are
    drawn often, such as kneeling down and getting up."""
    return [
        (events, joints_to_features(joints)) for events, joints in dict(make_known_motions(drawn, split, seed)).items()
    ]


def evaluator_quality(evaluator: Evaluator, motions: Sequence[Known], seed: int = 1) -> dict[str, Any]:
    """How well texts find their motions.

    `r_precision`: top 1, 2 and 3 in pools of 32, the last incomplete one left out; `matching`: mean distance of motion
    and text; `nearer`: for each way in which a caption can be wrong, the share of motions that are nearer to their own
    caption than to such a one.
    """
    rng = np.random.default_rng([seed, 41])
    embedded = evaluator.embed_motions([features for _, features in motions])
    own = _embed_captions(evaluator, [events for events, _ in motions], rng)
    pools = rng.permutation(len(motions))[: len(motions) // POOL * POOL].reshape(-1, POOL)
    ranks = retrieval_ranks(np.stack([distances(own[rows], embedded[rows]) for rows in pools]))
    matching = np.linalg.norm(embedded - own, axis=1)
    nearer = {}
    for name, mistake in WRONGS.items():
        told = [(place, mistake(events, rng)) for place, (events, _) in enumerate(motions)]
        places = [place for place, events in told if events]
        wrong = _embed_captions(evaluator, [events for _, events in told if events], rng)
        farther = np.linalg.norm(embedded[places] - wrong, axis=1) > matching[places]
        nearer[name] = round(float(farther.mean()), 4)
    return {
        "motions": len(motions),
        "r_precision": [round(float(share), 4) for share in r_precision(ranks)],
        "matching": round(float(matching.mean()), 4),
        "nearer": nearer,
    }


def _embed_captions(evaluator: Evaluator, told: Sequence[Composition], rng: np.random.Generator) -> np.ndarray:
    return evaluator.embed_texts([TaggedText(caption(events, rng)[0]) for events in told])


def _changed(events: Composition, place: int, **changes: Any) -> Composition:
    return (*events[:place], replace(events[place], **changes), *events[place + 1 :])
