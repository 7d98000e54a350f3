"""The unit and the upward axis that a body gives away."""

import numpy as np
import pytest
from bvh_figures import TURNS, read_joints, read_with_remarks, walk

from atom.errors import AtomError
from atom.motion.skeleton import JOINT_INDEX
from atom.motion_formats.body_size import metres_per_unit, upward_axis

UNITS = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "in": 0.0254, "cmu": 0.056444}
CHILD = 0.62  # of an adult's size


def leg(joints):
    bones = joints[:, [4, 7, 5, 8]] - joints[:, [1, 4, 2, 5]]
    return np.linalg.norm(bones, axis=-1).sum(axis=-1).mean() / 2


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("size", [0.85, 1, 1.08])
def test_an_adult_in_any_unit_has_its_size(unit, size):
    metres, remark = metres_per_unit("walk", walk() * size / UNITS[unit])
    assert metres == UNITS[unit]
    assert (remark is None) == (unit in ("m", "cm", "mm"))


@pytest.mark.parametrize("unit", ["m", "dm", "cm", "mm", "in"])
@pytest.mark.parametrize("size", [0.56, CHILD, 0.72])
def test_a_child_in_any_usual_unit_keeps_its_size_and_is_told(unit, size):
    metres, remark = metres_per_unit("walk", walk() * size / UNITS[unit])
    assert metres == UNITS[unit]
    assert "the body of a child with a leg of" in remark


@pytest.mark.parametrize(
    ("unit", "size", "assumed", "name", "other"),
    [
        ("cmu", CHILD, "dm", "decimetres", "units of the CMU captures (0.056444 m)"),
        ("in", 0.5, "cmu", "units of the CMU captures (0.056444 m)", "inches"),
    ],
)
def test_a_rare_unit_of_a_small_child_is_told_beside_the_one_assumed(unit, size, assumed, name, other):
    metres, remark = metres_per_unit("walk", walk() * size / UNITS[unit])
    assert metres == UNITS[assumed]
    assert f"assumed to be {name}: a body" in remark and f"in {other} it is that of a child" in remark


def test_a_small_child_in_centimetres_is_no_giant_in_inches():
    metres, remark = metres_per_unit("walk", walk() * 0.5 * 100)
    assert metres == UNITS["cm"]
    assert "centimetres: the body of a child with a leg of 0.37 m" in remark


@pytest.mark.parametrize("factor", [1e-9, 3, 1e5])
def test_a_body_that_fits_no_unit_gets_a_usual_leg_and_is_told(factor):
    joints = walk() * factor
    metres, remark = metres_per_unit("walk", joints)
    np.testing.assert_allclose(leg(joints * metres), 0.8209, atol=1e-3)
    assert "no usual unit makes this body human" in remark


def test_one_unusual_part_does_not_decide():
    joints = walk().copy()
    for side in "lr":  # arms of half the length
        shoulder = joints[:, [JOINT_INDEX[f"{side}_shoulder"]]]
        lower = [JOINT_INDEX[f"{side}_elbow"], JOINT_INDEX[f"{side}_wrist"]]
        joints[:, lower] = shoulder + (joints[:, lower] - shoulder) / 2
    assert metres_per_unit("walk", joints * 100) == (0.01, None)


def test_legs_without_a_length_are_refused():
    with pytest.raises(AtomError, match="walk: the legs have no length"):
        metres_per_unit("walk", np.zeros((2, 22, 3)))


@pytest.mark.parametrize("up", TURNS)
@pytest.mark.parametrize("with_rest", [False, True])
def test_a_walking_body_gives_its_upward_axis(up, with_rest):
    turned = walk() @ TURNS[up]
    assert upward_axis(turned, turned[0] if with_rest else None) == up


@pytest.mark.parametrize("angle", [60, 180])
def test_a_body_that_lies_or_stands_on_its_hands_follows_its_rest_pose(angle):
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    leaning = walk() @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]).T
    assert upward_axis(leaning, walk()[0]) == "y"


def test_a_rest_pose_without_extent_says_nothing():
    assert upward_axis(walk() @ TURNS["-y"], np.zeros((22, 3))) == "-y"


@pytest.mark.parametrize("case", ["dab", "jumping", "wave_hello", "synthetic_decimetres"])
def test_shared_cases_in_other_units_have_the_size_of_a_human_and_are_told(shared, case):
    joints, remarks = read_with_remarks(shared / f"data/cases/01_bvh_unit_fair1/{case}.bvh")
    assert 0.4 < leg(joints) < 1
    assert any("the unit is assumed" in remark for remark in remarks)
    assert np.median(joints[:, 15, 1] - joints[:, [7, 8], 1].min(axis=1)) > 0.5


def test_a_shared_case_in_centimetres_is_read_as_such(shared):
    joints = read_joints(shared / "data/cases/02_bvh_names/forefoot.bvh")
    assert 0.75 < leg(joints) < 0.95
