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
