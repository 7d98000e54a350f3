"""Fixtures that every test may use."""

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real motion capture and parity numbers that may lie beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("no shared/ folder beside the checkout: parity and real motion can't be compared")
    return SHARED
