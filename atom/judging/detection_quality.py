"""How well a judge detects the events of motions whose events are known, clean or degraded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from atom.corpus.composition import make_motion
from atom.corpus.corpus_shards import draw_events
from atom.errors import AtomError
from atom.events import ACTIONS, Composition, Split
from atom.judging import rubric
from atom.judging.detected_events import DetectedEvent
from atom.motion.time_resampling import resample

KnownMotion = tuple[Composition, np.ndarray]
"""The events of a motion and its joints (T, 22, 3)."""


class Detector(Protocol):
    """A judge that detects events in joints (T, 22, 3)."""

    def detect(self, joints: np.ndarray) -> list[DetectedEvent]: ...


def make_known_motions(clips: int, split: Split, seed: int) -> list[KnownMotion]:
    """Make motions of random compositions with the procedural corpus.

    Args:
        clips: the number of motions.
        split: the split that the compositions belong to.
        seed: the same seed gives the same motions.
    """
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
    """Measure how well a judge detects the events of motions.

    Args:
        judge: what detects the events.
        motions: the known events and the joints of each.

    Returns:
        The number of `clips`, `event_f1` (micro, over all events), `order` (share of the matched events that are in the
        right order), `count` (share of the matched countable events with the right count) and `exact_match` (share of
        clips).
    """
    num_expected = num_detected = num_matched = ordered = countable = count_right = exact = 0
    for expected, joints in motions:
        detected = judge.detect(joints)
        pairs = rubric.match_actions([event.action for event in expected], [event.action for event in detected])
        num_expected += len(expected)
        num_detected += len(detected)
        num_matched += len(pairs)
        ordered += sum(in_order for *_, in_order in pairs)
        for i, j, _ in pairs:
            if ACTIONS[expected[i].action].countable:
                countable += 1
                count_right += expected[i].count == detected[j].count
        exact += rubric.exact(expected, detected)
    return {
        "clips": len(motions),
        "event_f1": round(2 * num_matched / (num_expected + num_detected), 4),
        "order": round(ordered / max(num_matched, 1), 4),
        "count": round(count_right / max(countable, 1), 4),
        "exact_match": round(exact / len(motions), 4),
    }


def add_jitter(motions: Sequence[KnownMotion], rng: np.random.Generator, size: float = 0.01) -> list[KnownMotion]:
    """Add normal noise to every joint in every frame.

    Args:
        motions: the known events and the joints of each.
        rng: what draws the noise.
        size: the standard deviation in metres.
    """
    return [(events, joints + rng.normal(size=joints.shape) * size) for events, joints in motions]


def change_pace(motions: Sequence[KnownMotion], pace: float) -> list[KnownMotion]:
    """Resample motions in time.

    Args:
        motions: the known events and the joints of each.
        pace: the factor on the number of frames; above 1 is slower, below 1 faster.
    """
    return [(events, resample(joints, pace)) for events, joints in motions]
