"""The same motion in more or fewer frames."""

import numpy as np
import pytest

from atom.motion.time_resampling import resample


@pytest.mark.parametrize("pace", [0.5, 1.0, 1.3, 2.0])
def test_ends_stay_and_places_lie_between_frames(pace):
    line = np.arange(11.0)[:, None, None] * np.ones((22, 3))
    found = resample(line, pace)
    assert len(found) == round(10 * pace) + 1
    np.testing.assert_allclose(found[:, 0, 0], np.linspace(0, 10, len(found)))


def test_a_bend_stays_between_the_two_frames_around_it():
    bend = np.array([0.0, 0, 6, 6])[:, None, None] * np.ones((22, 3))
    np.testing.assert_allclose(resample(bend, 2)[:, 0, 0], [0, 0, 0, 3, 6, 6, 6])
    np.testing.assert_allclose(resample(bend, 4 / 3)[:, 0, 0], [0, 0, 3, 6, 6])  # at 0, 3/4, 6/4, 9/4 and 3


def test_a_motion_keeps_at_least_one_step():
    line = np.arange(5.0)[:, None, None] * np.ones((22, 3))
    assert resample(line, 0.01)[:, 0, 0].tolist() == [0, 4]
