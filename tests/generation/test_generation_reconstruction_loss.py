"""The reconstruction loss, on differences of which every part can be computed by hand."""

import pytest
import torch

from atom.generation.reconstruction_loss import ReconstructionLoss
from atom.motion.features import CONTACTS, HEIGHT, POSITIONS
from atom.motion.skeleton import JOINT_INDEX

# The sum of all weights: 263 features (turn, step, height, positions, rotations, velocities, contacts) and 22 joints
# (two wrists, two elbows, two feet, the others).
FEATURE_WEIGHTS = 6 + 2 * 4 + 4 + 63 * 2 + 126 * 0.3 + 66 * 0.6 + 4 * 0.5
JOINT_WEIGHTS = 2 * 4 + 2 * 2 + 2 * 2 + 16


def loss(difference, std=1.0, **weights):
    true = torch.zeros(2, 3, 263)
    return ReconstructionLoss(torch.zeros(263), torch.full((263,), std), **weights)(true + difference, true).item()


def test_a_body_that_is_too_high_has_wrong_positions_but_no_wrong_velocities():
    difference = torch.zeros(263)
    difference[HEIGHT] = 0.5  # of the pelvis alone: the other joints have heights of their own
    features, positions = 0.5 * 0.5**2 * 4 / FEATURE_WEIGHTS, 0.5 / JOINT_WEIGHTS
    assert loss(difference) == pytest.approx(features + positions, rel=1e-5)
    assert loss(difference, std=2.0) == pytest.approx(features + 2 * positions, rel=1e-5)  # features are normalised
    assert loss(difference, position_weight=3.0) == pytest.approx(features + 3 * positions, rel=1e-5)


def test_a_body_that_rises_has_wrong_velocities_which_weigh_ten_times():
    difference = torch.zeros(3, 263)
    difference[:, HEIGHT] = torch.tensor([0.0, 0.1, 0.2])
    features = 0.5 * (0.1**2 + 0.2**2) / 3 * 4 / FEATURE_WEIGHTS
    positions = velocities = 0.1 / JOINT_WEIGHTS  # the mean height, and the rise of each frame
    assert loss(difference) == pytest.approx(features + positions + 10 * velocities, rel=1e-5)
    assert loss(difference, velocity_weight=0.0) == pytest.approx(features + positions, rel=1e-5)


@pytest.mark.parametrize(("joint", "weight"), [("l_wrist", 4), ("r_elbow", 2), ("l_foot", 2), ("r_ankle", 1)])
def test_hands_and_feet_weigh_more(joint, weight):
    difference = torch.zeros(263)
    difference[POSITIONS.start + 3 * (JOINT_INDEX[joint] - 1)] = 0.2
    assert loss(difference) == pytest.approx(
        0.5 * 0.2**2 * 2 / FEATURE_WEIGHTS + 0.2 * weight / JOINT_WEIGHTS, rel=1e-5
    )


def test_contacts_move_no_joint():
    difference = torch.zeros(263)
    difference[CONTACTS] = 3.0  # beyond 1 the loss is linear
    assert loss(difference) == pytest.approx(4 * (3.0 - 0.5) * 0.5 / FEATURE_WEIGHTS, rel=1e-5)
