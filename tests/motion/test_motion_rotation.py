import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from atom.motion.rotation import conjugate, multiply, quaternions_between, rotate_about_y, to_6d, unit, unit_vector

directions = arrays(float, 3, elements=st.floats(-1, 1)).filter(lambda v: np.linalg.norm(v) > 1e-3).map(unit)


def as_scipy(quaternion):
    return Rotation.from_quat(quaternion, scalar_first=True)


@given(directions, directions)
def test_the_quaternion_between_two_vectors_takes_one_to_the_other(start, end):
    np.testing.assert_allclose(as_scipy(quaternions_between(start, end)).apply(start), end, atol=2e-6)


@given(directions)
def test_opposite_directions_get_a_half_turn(start):
    rotation = as_scipy(quaternions_between(start, -start))
    np.testing.assert_allclose(rotation.apply(start), -start, atol=1e-9)
    np.testing.assert_allclose(rotation.magnitude(), np.pi)


def test_products_inverses_and_columns_agree_with_scipy():
    for seed in range(50):
        first, second = Rotation.random(rng=seed), Rotation.random(rng=seed + 50)
        a, b = (tuple(rotation.as_quat(scalar_first=True)) for rotation in (first, second))
        np.testing.assert_allclose(as_scipy(multiply(a, b)).as_matrix(), (first * second).as_matrix(), atol=1e-12)
        np.testing.assert_allclose(as_scipy(conjugate(a)).as_matrix(), first.inv().as_matrix(), atol=1e-12)
        np.testing.assert_allclose(to_6d(a), first.as_matrix()[:, :2].T.ravel(), atol=1e-12)


def test_a_direction_is_the_unit_vector():
    np.testing.assert_allclose(unit_vector(3.0, -4.0, 12.0), unit(np.array([3.0, -4.0, 12.0])), rtol=1e-15)
    assert unit_vector(0.0, 0.0, 0.0) == (0, 0, 0)


def test_turning_left_takes_ahead_to_the_left():
    np.testing.assert_allclose(rotate_about_y(np.array([0.0, 2.0, 1.0]), np.pi / 2), [1, 2, 0], atol=1e-12)
