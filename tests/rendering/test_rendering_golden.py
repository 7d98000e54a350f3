"""Twelve motions look like their approved pictures."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parent))
from golden_motions import MOTIONS, draw_frames, golden_path


@pytest.mark.parametrize("name", MOTIONS)
def test_a_motion_matches_its_golden_picture(name):
    """Another processor may round differently, so single pixels on edges may differ."""
    with Image.open(golden_path(name)) as picture:
        expected = np.asarray(picture.convert("RGB")).astype(int)
    difference = np.abs(draw_frames(name).astype(int) - expected).max(axis=-1)
    assert (difference > 12).mean() < 0.002, f"{name}: {np.count_nonzero(difference > 12)} pixels differ"
