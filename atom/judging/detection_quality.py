"""How right a judge is on motions whose events are known, clean and made worse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from atom.corpus.composition import make_motion
from atom.corpus.dataset import draw_events
from atom.errors import AtomError
from atom.events import ACTIONS, Composition, Split
from atom.judging import rubric
from atom.judging.detected_events import DetectedEvent
from atom.motion.resampling import resample

KnownMotion = tuple[Composition, np.ndarray]
"""The events of a motion and its joints (T, 22, 3)."""


class Detector(Protocol):
    def detect(self, joints: np.ndarray) -> list[DetectedEvent]: ...


def make_known_motions(clips: int, split: Split, seed: int) -> list[KnownMotion]:
    """Random compositions of a split, performed."""
    rng = np.random.default_rng([seed, 30])
    motions: list[KnownMotion] = []
    while len(motions) < clips:
        try:
            motion = make_motion(draw_events(rng, split), rng)
        except AtomError:
            continue  # longer than the longest clip
        motions.append((motion.events, motion.joints))
    return motions


def measure_detection_quality(judge: Detector, motions: Sequence[KnownMotion]) -> dict[str, Any]:
    """`event_f1` (micro, over all events), `order` (share of the found events that stand in the told order), `count`
    (share of the found countable events with the right count) and `exact_match` (share of clips)."""
    asked_all = seen_all = found = ordered = countable = counted = exact = 0
    for asked, joints in motions:
        seen = judge.detect(joints)
        pairs = rubric.matches([event.action for event in asked], [event.action for event in seen])
        asked_all, seen_all, found = asked_all + len(asked), seen_all + len(seen), found + len(pairs)
        ordered += sum(in_order for *_, in_order in pairs)
        for i, j, _ in pairs:
            if ACTIONS[asked[i].action].countable:
                countable += 1
                counted += asked[i].count == seen[j].count
        exact += rubric.exact(asked, seen)
    return {
        "clips": len(motions),
        "event_f1": round(2 * found / (asked_all + seen_all), 4),
        "order": round(ordered / max(found, 1), 4),
        "count": round(counted / max(countable, 1), 4),
        "exact_match": round(exact / len(motions), 4),
    }


def add_jitter(motions: Sequence[KnownMotion], rng: np.random.Generator, size: float = 0.01) -> list[KnownMotion]:
    """Every joint in every frame off by normal noise of `size` metres."""
    return [(events, joints + rng.normal(size=joints.shape) * size) for events, joints in motions]


def change_pace(motions: Sequence[KnownMotion], pace: float) -> list[KnownMotion]:
    """Done in `pace` times the frames."""
    return [(events, resample(joints, pace)) for events, joints in motions]
