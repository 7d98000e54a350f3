"""The kinematic judge on real motion: 114 labelled captures from public libraries."""

import csv
from collections import defaultdict

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from atom.judging.kinematic_judge import KinematicJudge
from atom.motion.mirroring import mirror_joints
from atom.prompts.parsing import parse_events

JUDGE = KinematicJudge()
ACTIONS_OF = {
    "walk": ("walk_forward", "walk_backward"),
    "run": ("run_forward",),
    "jump": ("jump_up", "jump_forward"),
    "kick": ("kick_left", "kick_right"),
    "punch": ("punch_left", "punch_right"),
    "wave": ("wave_left", "wave_right"),
    "raise_hand": ("raise_arm_left", "raise_arm_right", "raise_arms"),
    "bow": ("bow",),
    "sit": ("sit_down",),
    "turn": ("turn_left", "turn_right", "turn_around"),
    "get_up": ("get_up",),
}
# Clips of these categories also do what the other category asks for, by their own descriptions ("walks and turns left",
# "forward dribble, 90-degree right turns", "small jetes, pirouette"), so they are no counterexamples of it.
ALSO = {
    "walk": {"turn", "basketball", "run"},
    "turn": {"walk", "basketball", "run", "dance"},
    "jump": {"dance", "flip"},
    "raise_hand": {"wave", "dance"},
    "wave": {"wash"},
}


@pytest.fixture(scope="module")
def captures(shared):
    """(category, description, joints) of the clips whose label holds for the crop."""
    folder = shared / "data/real_motion"
    with (folder / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["label_valid_for_crop"] == "1"]
    return [(row["category"], row["description"], np.load(folder / f"{row['name']}.npz")["joints"]) for row in rows]


def test_the_right_description_is_detected_at_a_higher_strictness_than_the_others(captures):
    strictness = [JUDGE.max_strictness(joints) for _, _, joints in captures]
    areas = {}
    for category, actions in ACTIONS_OF.items():
        highest = np.array([max(found.get(action, 0.0) for action in actions) for found in strictness])
        right = np.array([own == category for own, *_ in captures])
        wrong = np.array([own != category and own not in ALSO.get(category, ()) for own, *_ in captures])
        areas[category] = mannwhitneyu(highest[right], highest[wrong]).statistic / (right.sum() * wrong.sum())
    assert np.mean(list(areas.values())) >= 0.92, areas


def test_left_and_right_change_places_in_a_mirror(captures):
    is_mirrored = []
    for _, _, joints in captures:
        seen, mirrored = JUDGE.detect(joints), JUDGE.detect(mirror_joints(joints))
        if any(event.action.endswith(("_left", "_right")) for event in seen):
            is_mirrored.append([_turned(event.action) for event in seen] == [event.action for event in mirrored])
    assert len(is_mirrored) >= 30 and np.mean(is_mirrored) >= 0.95


def test_a_walk_played_backwards_is_told_from_one_forwards(captures):
    is_right = defaultdict(list)
    for category, description, joints in captures:
        if category == "walk" and "diagonally" not in description and "around" not in description:
            way, other = ("backward", "forward") if "backward" in description else ("forward", "backward")
            for name, clip, direction in (("as it is", joints, way), ("reversed", joints[::-1], other)):
                walks = {event.action for event in JUDGE.detect(clip) if event.action.startswith("walk_")}
                is_right[name].append(walks == {f"walk_{direction}"})
    assert len(is_right["reversed"]) >= 25
    assert np.mean(is_right["as it is"]) >= 0.9 and np.mean(is_right["reversed"]) >= 0.9


def _turned(action: str) -> str:
    name, _, side = action.rpartition("_")
    return {"left": f"{name}_right", "right": f"{name}_left"}.get(side, action)


# CountedAction by eye on contact sheets of every fourth or sixth frame.
COUNTS = {
    "bn_1_kick_normal_001": ("kick", 3), "cmu_10_02": ("kick", 1), "cmu_10_06": ("kick", 1), "dm_spinkick": ("kick", 1),
    "bn_1_punch_normal_002": ("punch", 5), "cmu_02_05": ("punch", 9), "dm_sie_punch_forward02": ("punch", 1),
    "dm_sie_punch_left00": ("punch", 1), "cmu_13_13": ("jump", 1), "cmu_13_39": ("jump", 1), "cmu_13_40": ("jump", 1),
    "cmu_13_41": ("jump", 1), "cmu_13_42": ("jump", 1),
}  # fmt: skip


def test_repetitions_are_counted_to_within_one_and_mostly_exactly(shared):
    errors = []
    for name, (family, counted) in COUNTS.items():
        joints = np.load(shared / f"data/real_motion/{name}.npz")["joints"]
        seen = sum(event.count for event in JUDGE.detect(joints) if event.action.startswith(family))
        errors.append(abs(seen - counted))
    assert max(errors) <= 1 and np.mean(np.array(errors) == 0) >= 0.7, errors


def test_what_joints_do_not_show_is_never_guessed(captures):
    silent = {"drink", "laugh", "basketball", "sword", "wash"}
    descriptions = {description for category, description, _ in captures if category in silent}
    assert len(descriptions) >= 8
    for description in descriptions:
        parsed = parse_events(description)
        assert not parsed.events and parsed.unknown, description
