"""Twelve motions look as they did when somebody looked at them."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parent))
from golden_motions import MOTIONS, drawn, golden


@pytest.mark.parametrize("name", MOTIONS)
def test_a_motion_looks_as_it_did(name):
    """Another processor may round differently, so single pixels on edges may differ."""
    with Image.open(golden(name)) as picture:
        expected = np.asarray(picture.convert("RGB")).astype(int)
    off = np.abs(drawn(name).astype(int) - expected).max(axis=-1)
    assert (off > 12).mean() < 0.002, f"{name}: {np.count_nonzero(off > 12)} pixels differ"
