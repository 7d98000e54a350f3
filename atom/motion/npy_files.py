"""Safe reading of .npy files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atom.errors import AtomError


def read_array(path: Path) -> np.ndarray:
    """Read the array of a .npy file without unpickling. Raises AtomError if it is missing, unreadable or damaged."""
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        raise AtomError(f"{path}: no such file") from None
    except OSError as error:
        raise AtomError(f"{path}: can't be read ({error.strerror}), check the file") from error
    except (ValueError, EOFError, MemoryError) as error:  # MemoryError: a damaged header can ask for any size
        raise AtomError(f"{path}: is not a complete NumPy array of numbers, restore the file") from error
