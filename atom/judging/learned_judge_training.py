"""Trains the learned judge on corpus motions, degraded in the ways in which generated motions are bad."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from scipy.ndimage import gaussian_filter1d
from torch.nn import functional

from atom.config import ConfigSection
from atom.corpus.composition import make_motion
from atom.corpus.corpus_shards import draw_events
from atom.errors import AtomError
from atom.events import ACTIONS, Split, mirror_action
from atom.generation.generator import Generator
from atom.judging.detection_quality import make_known_motions, measure_detection_quality
from atom.judging.learned_judge import CLASSES, LearnedJudge, Segmenter, SegmenterConfig, save_judge, to_body_frame
from atom.motion.features import joints_to_features
from atom.motion.mirroring import mirror_joints
from atom.motion.skeleton import JOINTS
from atom.motion.time_resampling import resample
from atom.training_state import ProgressCallback, TrainingState, set_learning_rate, warmup_cosine_rate

_CLASS_INDEX = {name: number for number, name in enumerate(CLASSES)}
_IGNORE_INDEX = -100
_SHARD_CLIPS = 250
_SAVE_EVERY = 250


class JudgeTrainingConfig(ConfigSection):
    """How the learned judge is trained. The defaults are those of the judge in the package."""

    seed: int = Field(1, ge=0)
    clips: int = Field(5_000, ge=_SHARD_CLIPS)
    workers: int = Field(2, ge=1)
    judged: int = Field(500, ge=1, description="motions on which the quality of the judge is measured")
    width: int = 96
    steps: int = 1_500
    batch: int = 24
    learning_rate: float = 2e-3
    warmup: int = 100
    count_weight: float = 0.3


SegmenterExample = tuple[np.ndarray, list[tuple[str, int, int, int]]]
"""Joints (T, 22, 3), and the action, count, first frame and end frame of each event in them."""


def make_examples(
    seed: int, number: int, split: Split = "train", generator: Generator | None = None
) -> list[SegmenterExample]:
    """Make a shard of motions of random compositions.

    Args:
        seed: together with `number` it decides the motions.
        number: the number of the shard.
        split: the split that the compositions belong to.
        generator: if given, every second motion is encoded to its codes and decoded again.
    """
    rng = np.random.default_rng([seed, 20, number])
    examples: list[SegmenterExample] = []
    while len(examples) < _SHARD_CLIPS:
        try:
            motion = make_motion(draw_events(rng, split), rng)
        except AtomError:
            continue
        joints = motion.joints
        # Half of the motions are as the generator's codes show them, because those are what the judge will score.
        if generator is not None and len(examples) % 2:
            (joints,) = generator.decode(generator.encode([joints_to_features(joints)]))
        spans = [(motion.events[i].action, motion.events[i].count, start, end) for i, start, end in motion.spans]
        examples.append((joints, [(a, c, s, min(e, len(joints))) for a, c, s, e in spans]))
    return examples


def augment(example: SegmenterExample, rng: np.random.Generator) -> SegmenterExample:
    """Vary a motion at random: mirrored, slower or faster, with jitter, drift or other proportions.

    Args:
        example: a motion and its events.
        rng: decides what is done and how much.

    Returns:
        The new motion, with the events at their new frames and with their new sides.
    """
    joints, spans = example
    if rng.random() < 0.5:
        joints, spans = mirror_joints(joints), [(mirror_action(action), *rest) for action, *rest in spans]
    if rng.random() < 0.5:
        pace = rng.uniform(0.8, 1.25)
        joints = resample(joints, pace)
        spans = [(action, count, round(start * pace), round(end * pace)) for action, count, start, end in spans]
    # Up to 12 mm, from white noise to slow sway: generated joints tremble at any rate.
    if rng.random() < 0.7:
        jitter = rng.normal(size=joints.shape)
        jitter = gaussian_filter1d(jitter, rng.uniform(0.01, 2), axis=0)
        joints = joints + jitter / jitter.std() * rng.uniform(0, 0.012)
    if rng.random() < 0.5:
        drift = gaussian_filter1d(rng.normal(size=(len(joints) + 80, 3)), 20, axis=0)[40:-40]
        joints = joints + (drift / drift.std() * rng.uniform(0, 0.04) * [1, 0.3, 1])[:, None]
    if rng.random() < 0.5:  # other proportions
        root = joints[:, :1]
        joints = root + (joints - root) * (1 + rng.normal(size=(JOINTS, 1)) * 0.02)
    return joints, spans


def pretrain_judge(output: Path, config: JudgeTrainingConfig, work: Path, progress: ProgressCallback) -> dict[str, Any]:
    """Train the judge, save it and measure it on compositions that were not in its training.

    Args:
        output: the folder of the judge.
        config: the settings of the training.
        work: keeps the motions and the state of the training.
        progress: is called with the step of the work, the number done, the total and a note.

    Returns:
        What training.json holds: the command, the config, and the quality on test motions as they are ("clean") and
        after a round trip through the generator's codes ("decoded").
    """
    save_judge(output, train_judge(config, work, progress))
    judge = LearnedJudge.load(output)
    clean = make_known_motions(config.judged, "test", config.seed)
    generator = Generator.load()
    decoded = generator.decode(generator.encode([joints_to_features(joints) for _, joints in clean]))
    figures = {
        "command": "atom pretrain-judge",
        "config": config.model_dump(),
        "quality": {
            "clean": measure_detection_quality(judge, clean),
            "decoded": measure_detection_quality(
                judge, [(events, joints) for (events, _), joints in zip(clean, decoded)]
            ),
        },
    }
    (output / "training.json").write_text(json.dumps(figures, indent=1) + "\n")
    return figures


def train_judge(config: JudgeTrainingConfig, work: Path, progress: ProgressCallback) -> Segmenter:
    """Train the segmenter.

    Args:
        config: the settings of the training.
        work: keeps the motions and the state of the training, which resumes from there.
        progress: is called with the step of the work, the number done, the total and a note.
    """
    work.mkdir(parents=True, exist_ok=True)
    examples = list(_load_or_make_examples(config, work, progress))
    torch.manual_seed(config.seed)
    model = Segmenter(SegmenterConfig(width=config.width)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.01)
    state = TrainingState(work / "judge.pt", model, optimizer, config.steps, _SAVE_EVERY)
    start = state.restore()
    rng = np.random.default_rng([config.seed, 21, start])
    for step in range(start, config.steps):
        indices = rng.choice(len(examples), config.batch, replace=False)
        frames, mask, labels, spans = collate([augment(examples[i], rng) for i in indices])
        set_learning_rate(
            optimizer, warmup_cosine_rate(config.learning_rate, step, config.steps, config.warmup, floor=0.01)
        )
        with torch.autocast("cpu", torch.bfloat16):
            logits, density = model(frames, mask)
        class_loss = functional.cross_entropy(logits.float().transpose(1, 2), labels, ignore_index=_IGNORE_INDEX)
        density = density.float()
        counts = torch.stack([density[row, start:end].sum() for row, start, end, _ in spans])
        count_loss = functional.smooth_l1_loss(counts, torch.tensor([float(count) for *_, count in spans]))
        outside = density[(labels == 0)].mean()  # outside of all events the density shall be zero
        optimizer.zero_grad()
        (class_loss + config.count_weight * (count_loss + outside)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        state.save_if_due(step + 1)
        if step % 50 == 49:
            note = f"naming {class_loss.item():.3f}, counting {count_loss.item():.3f}"
            progress("judge", step + 1, config.steps, note)
    return model.eval()


def collate(
    batch: Sequence[SegmenterExample],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[tuple[int, int, int, int]]]:
    """Pad examples to a batch.

    It has inputs (B, T, 133), mask (B, T), labels (B, T), and the (row, start, end, count) of each countable event.
    """
    inputs = [to_body_frame(joints) for joints, _ in batch]
    longest = max(len(rows) for rows in inputs)
    frames = torch.zeros(len(batch), longest, inputs[0].shape[1])
    mask = torch.zeros(len(batch), longest)
    labels = torch.full((len(batch), longest), _IGNORE_INDEX)
    counts = []
    for row, (rows, (_, spans)) in enumerate(zip(inputs, batch, strict=True)):
        frames[row, : len(rows)] = torch.from_numpy(rows)
        mask[row, : len(rows)] = 1
        labels[row, : len(rows)] = 0
        for action, count, start, end in spans:
            labels[row, start:end] = _CLASS_INDEX[action]
            if ACTIONS[action].countable:
                counts.append((row, start, end, count))
    return frames, mask, labels, counts


def _load_or_make_examples(
    config: JudgeTrainingConfig, work: Path, progress: ProgressCallback
) -> Iterator[SegmenterExample]:
    shards = range(-(-config.clips // _SHARD_CLIPS))
    missing = [number for number in shards if not _shard_path(work, config.seed, number).exists()]
    if missing:
        with ProcessPoolExecutor(max_workers=config.workers) as pool:
            jobs = [pool.submit(_write_shard, work, config.seed, number) for number in missing]
            for done, job in enumerate(jobs, start=len(shards) - len(missing) + 1):
                job.result()
                progress("motions", done * _SHARD_CLIPS, len(shards) * _SHARD_CLIPS, "")
    for number in shards:
        with np.load(_shard_path(work, config.seed, number), allow_pickle=False) as shard:
            ends = np.cumsum(shard["lengths"])
            joints, events, counts = shard["joints"], shard["events"], shard["counts"]
        bounds = np.cumsum(counts)
        for start, end, first, last in zip(ends - np.diff(ends, prepend=0), ends, bounds - counts, bounds, strict=True):
            spans = [(CLASSES[kind], int(count), int(a), int(b)) for kind, count, a, b in events[first:last]]
            yield joints[start:end].astype(np.float32), spans


def _shard_path(work: Path, seed: int, number: int) -> Path:
    return work / f"examples-{seed}-{number:04d}.npz"


def _write_shard(work: Path, seed: int, number: int) -> None:
    torch.set_num_threads(1)
    examples = make_examples(seed, number, generator=Generator.load())
    path = _shard_path(work, seed, number)
    content: dict[str, Any] = {
        "joints": np.concatenate([joints for joints, _ in examples]).astype(np.float16),
        "lengths": [len(joints) for joints, _ in examples],
        "counts": [len(spans) for _, spans in examples],
        "events": [(_CLASS_INDEX[action], *rest) for _, spans in examples for action, *rest in spans],
    }
    temporary = path.with_name(path.name + ".tmp.npz")
    np.savez(temporary, **content)
    temporary.replace(path)
