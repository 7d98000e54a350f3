"""Checks on the rows of a stage, before the next stage works on them and before money is spent on them."""

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
from atom.motion.skeleton import JOINT_INDEX, JOINTS, LEG_LENGTH_RANGE

Rows = Sequence[Mapping[str, Any]]
_LEG = [JOINT_INDEX[name] for name in ("r_hip", "r_knee", "r_ankle")]


@dataclass(frozen=True)
class Check:
    """The share of a stage's rows with a fault, the limit of that share, and what to do about the fault."""

    name: str
    share: float
    limit: float
    remedy: str

    @property
    def passed(self) -> bool:
        return self.share <= self.limit


def check_prompts(rows: Rows) -> list[Check]:
    """Check prompts: no text occurs twice, and no composition of events is in both training and test."""
    used = [row for row in rows if row["rejected"] is None]
    texts = Counter(row["text"] for row in used)
    splits: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for row in used:
        splits[tuple((event["action"], event["count"]) for event in row["events"])].add(row["split"])
    in_both = sum(len(names) > 1 for names in splits.values())
    return [
        Check(
            "texts that occur twice",
            _share(sum(n - 1 for n in texts.values()), len(used)),
            0.0,
            "write the prompts again with another seed",
        ),
        Check(
            "compositions in training and test",
            _share(in_both, len(splits)),
            0.0,
            "a model is not tested on what it was trained on: take other test prompts",
        ),
    ]


def check_motions(tables: Iterable[pa.Table], limits: GateConfig) -> list[Check]:
    """Check motions: they are not empty, are of human size, and differ among the candidates of a prompt.

    Args:
        tables: motions as the store keeps them, with the columns prompt_id and joints. All candidates of a prompt must
            be in one table.
        limits: the largest shares of faulty motions.
    """
    total = empty = broken = repeated = 0
    for table in tables:
        seen: set[tuple[str, bytes]] = set()
        joints = table["joints"].combine_chunks()
        flat, ends = joints.values.to_numpy(zero_copy_only=False), joints.offsets.to_numpy()
        for prompt_id, start, end in zip(table["prompt_id"].to_pylist(), ends, ends[1:]):
            total += 1
            empty += start == end
            broken += start < end and not _is_human(flat[start:end].reshape(-1, JOINTS, 3))
            if start < end:
                motion = prompt_id, hashlib.sha256(flat[start:end]).digest()
                repeated += motion in seen
                seen.add(motion)
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
    """Check scores: they are on the scale of the rubric, 1 to 5."""
    is_valid = Counter(row["score"] is None or 1 <= row["score"] <= 5 for row in rows)
    return [
        Check(
            "scores outside of 1 to 5",
            _share(is_valid[False], is_valid.total()),
            0.0,
            "the judge is broken: choose another judge or repair it",
        )
    ]


def check_preferences(rows: Rows) -> list[Check]:
    """Check pairs: two different motions, the better one chosen, of prompts that are not for the test."""
    reversed_pairs = sum(row["decided_by"] == "score" and (row["margin"] or 0) < 0 for row in rows)
    identical = sum(row["chosen_motion_id"] == row["rejected_motion_id"] for row in rows)
    of_test = sum(row["split"] == "test" for row in rows)
    return [
        Check("pairs the wrong way round", _share(reversed_pairs, len(rows)), 0.0, "make them again"),
        Check("pairs of a motion with itself", _share(identical, len(rows)), 0.0, "make them again"),
        Check("pairs of test prompts", _share(of_test, len(rows)), 0.0, "take them out: they are for evaluation"),
    ]


def require_passed(stage: str, checks: Iterable[Check]) -> None:
    """Stop where a check has not passed.

    Args:
        stage: the stage whose rows were checked.
        checks: the checks of its rows.

    Raises:
        AtomError: names each check that has not passed, with what to do.
    """
    if failed := [check for check in checks if not check.passed]:
        faults = "; ".join(
            f"{check.share:.0%} {check.name}, at most {check.limit:.0%} may be: {check.remedy}" for check in failed
        )
        raise AtomError(f"{stage} can't be built on: {faults}; or raise the limit under gates, if there is one")


def _is_human(joints: np.ndarray) -> bool:
    """Whether joints (T, 22, 3) are finite, with the right leg of a person in the middle of the motion."""
    hip, knee, ankle = joints[len(joints) // 2, _LEG]
    leg = np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee)
    return bool(LEG_LENGTH_RANGE[0] <= leg <= LEG_LENGTH_RANGE[1] and np.isfinite(joints).all())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
