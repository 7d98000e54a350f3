"""One NumPy array in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atom.errors import AtomError


def read_array(path: Path) -> np.ndarray:
    """The array in a .npy file; nothing in it is unpickled. AtomError if it is missing, unreadable or no such file."""
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        raise AtomError(f"{path}: no such file") from None
    except OSError as error:
        raise AtomError(f"{path}: can't be read ({error.strerror}), check the file") from error
    except (ValueError, EOFError, MemoryError) as error:  # a damaged header may ask for any size
        raise AtomError(f"{path}: is no whole NumPy array of numbers, restore the file") from error
