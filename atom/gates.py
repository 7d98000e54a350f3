"""What has to hold of a stage's rows before the next stage works on them, and before money is spent on them."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from atom.config import GateConfig
from atom.errors import AtomError
from atom.motion.motion_files import LEG_LENGTH_RANGE
from atom.motion.skeleton import JOINT_INDEX, JOINTS

Rows = Sequence[Mapping[str, Any]]
_LEG = [JOINT_INDEX[name] for name in ("r_hip", "r_knee", "r_ankle")]


@dataclass(frozen=True)
class Check:
    """The share of a stage's rows that have a fault, and the most that may."""

    what: str
    share: float
    limit: float
    remedy: str

    @property
    def holds(self) -> bool:
        return self.share <= self.limit


def check_prompts(rows: Rows) -> list[Check]:
    """No text twice, and no composition of events both in training and test."""
    used = [row for row in rows if row["rejected"] is None]
    texts = Counter(row["text"] for row in used)
    splits: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for row in used:
        splits[tuple((event["action"], event["count"]) for event in row["events"])].add(row["split"])
    shared = sum(len(found) > 1 for found in splits.values())
    return [
        Check(
            "texts that occur twice",
            _share(sum(n - 1 for n in texts.values()), len(used)),
            0.0,
            "write the prompts again with another seed",
        ),
        Check(
            "compositions in training and test",
            _share(shared, len(splits)),
            0.0,
            "what was trained on is no test: take other test prompts",
        ),
    ]


of_prompts = check_prompts  # the name that flows/pipeline.py still uses


def check_motions(tables: Iterable[pa.Table], limits: GateConfig) -> list[Check]:
    """Motions that hold something, are of human size, and differ among the candidates of a prompt; tables as the store
    keeps motions, of which prompt_id and joints are looked at, all candidates of a prompt in one of them."""
    total = empty = broken = repeated = 0
    for table in tables:
        known: set[tuple[str, bytes]] = set()
        joints = table["joints"].combine_chunks()
        flat, ends = joints.values.to_numpy(zero_copy_only=False), joints.offsets.to_numpy()
        for prompt_id, start, end in zip(table["prompt_id"].to_pylist(), ends, ends[1:]):
            total += 1
            empty += start == end
            broken += start < end and not _human(flat[start:end].reshape(-1, JOINTS, 3))
            if start < end:
                motion = prompt_id, hashlib.sha256(flat[start:end]).digest()
                repeated += motion in known
                known.add(motion)
    return [
        Check(
            "answers without a motion",
            _share(empty, total),
            limits.empty_motions,
            "check generation.checkpoint and generation.template, or generation.vocabulary=motion",
        ),
        Check(
            "motions that are no human body",
            _share(broken, total),
            limits.broken_motions,
            "check the checkpoint's mean and std",
        ),
        Check(
            "motions equal to another of their prompt",
            _share(repeated, total),
            limits.repeated_motions,
            "raise generation.temperature",
        ),
    ]


def check_scores(rows: Iterable[Mapping[str, Any]]) -> list[Check]:
    """Scores on the rubric's scale."""
    sound = Counter(row["score"] is None or 1 <= row["score"] <= 5 for row in rows)
    return [Check("scores outside of 1 to 5", _share(sound[False], sound.total()), 0.0, "the judge is broken")]


def check_preferences(rows: Rows) -> list[Check]:
    """Two different motions, the better one chosen, of prompts that are for training."""
    turned = sum(row["decided_by"] == "score" and (row["margin"] or 0) < 0 for row in rows)
    equal = sum(row["chosen_motion_id"] == row["rejected_motion_id"] for row in rows)
    tested = sum(row["split"] == "test" for row in rows)
    return [
        Check("pairs the wrong way round", _share(turned, len(rows)), 0.0, "make them again"),
        Check("pairs of a motion with itself", _share(equal, len(rows)), 0.0, "make them again"),
        Check("pairs of test prompts", _share(tested, len(rows)), 0.0, "take them out: they are for evaluation"),
    ]


def require_passed(stage: str, checks: Iterable[Check]) -> None:
    """AtomError that names each check which does not hold, with what to do."""
    if broken := [check for check in checks if not check.holds]:
        told = "; ".join(
            f"{check.share:.0%} {check.what}, at most {check.limit:.0%} may be: {check.remedy}" for check in broken
        )
        raise AtomError(f"{stage} can't be built on: {told}; or raise the limit under gates, if there is one")


def _human(joints: np.ndarray) -> bool:
    """Joints (T, 22, 3): finite, and in the middle of the motion with a right leg of a person's length."""
    hip, knee, ankle = joints[len(joints) // 2, _LEG]
    leg = np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee)
    return bool(LEG_LENGTH_RANGE[0] <= leg <= LEG_LENGTH_RANGE[1] and np.isfinite(joints).all())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
