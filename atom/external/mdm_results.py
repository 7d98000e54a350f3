"""MDM's results.npy: a pickled dict of joints, texts and lengths. The reader never lets the pickle run code.

Source: Tevet et al., "Human Motion Diffusion Model" (ICLR 2023), repository motion-diffusion-model, sample/generate.py.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atom.errors import AtomError
from atom.motion.skeleton import JOINTS


@dataclass(frozen=True)
class MdmResults:
    """Joints (n, 22, 3, T) in metres, with the text and the number of frames of each motion.

    MDM writes repetition by repetition: one motion of every text, then a second one of every text.
    """

    motion: np.ndarray
    texts: list[str]
    lengths: list[int]


def read_mdm_results(path: Path) -> MdmResults:
    """Reads the file that `sample/generate.py` writes. AtomError if it is damaged or needs more than arrays to open."""
    content = _unpickle_arrays(path)
    if not isinstance(content, dict) or not {"motion", "text", "lengths"} <= content.keys():
        raise AtomError(f"{path}: is no results.npy of MDM, which holds a dict of motion, text and lengths")
    motion, texts = np.asarray(content["motion"]), list(content["text"])
    lengths = np.asarray(content["lengths"]).ravel()
    if motion.ndim != 4 or motion.shape[1:3] != (JOINTS, 3) or motion.dtype.kind != "f":
        raise AtomError(
            f"{path}: its motions are {motion.dtype} of shape {motion.shape}, expected (motions, {JOINTS}, 3, frames) "
            "floating-point numbers: only models of HumanML3D generate these"
        )
    if not len(motion) == len(texts) == len(lengths) or lengths.dtype.kind not in "iu":
        raise AtomError(f"{path}: has {len(motion)} motions, {len(texts)} texts and {len(lengths)} lengths, cut off?")
    if not all(isinstance(text, str) for text in texts):
        raise AtomError(f"{path}: its texts are not strings: motions of action classes have no prompt")
    return MdmResults(motion, texts, [int(length) for length in lengths])


class _ArrayUnpickler(pickle.Unpickler):
    """Allows arrays and nothing else: builtin containers, str and numbers need no global, so no other may be called."""

    _ALLOWED = {  # noqa: RUF012
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
    }

    def find_class(self, module: str, name: str) -> Any:
        current = module.replace("numpy.core.", "numpy._core.")  # the name in NumPy 1
        if (current, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(current, name)


def _unpickle_arrays(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read_header(file)
            if shape != () or not dtype.hasobject:
                return None
            return _ArrayUnpickler(file).load().item()
    except OSError as error:
        raise AtomError(f"{path}: can't be read ({error.strerror}), check the file") from error
    except Exception as error:  # what a damaged pickle raises is not limited to pickle's own errors
        raise AtomError(
            f"{path}: was refused, it is damaged or holds more than arrays and texts and could run code when opened "
            f"({' '.join(str(error).split())[:100]})"
        ) from error
