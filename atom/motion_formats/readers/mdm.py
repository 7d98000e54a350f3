"""MDM's results.npy: a pickled dict of joints, texts and lengths of many motions.

Source: Tevet et al., "Human Motion Diffusion Model" (ICLR 2023), sample/generate.py of motion-diffusion-model at
d4fd88c. Motions go on past their length with what the model filled in; forks add keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atom.errors import AtomError
from atom.motion.skeleton import FPS, JOINTS
from atom.motion_formats.array_pickle import UnsafePickle, load_arrays
from atom.motion_formats.conversion import FormatDefaults, SourceSettings
from atom.motion_formats.file_facts import FileFacts
from atom.motion_formats.motion_format import MotionFormat
from atom.motion_formats.skeletons import HUMANML3D
from atom.motion_formats.source_motion import SourceMotion


def _recognises(facts: FileFacts) -> bool:
    return facts.array is not None and facts.array.shape == () and facts.array.dtype.hasobject


def _read(facts: FileFacts) -> list[SourceMotion]:
    path = facts.path
    content = _load(path)
    if not isinstance(content, dict) or not {"motion", "text", "lengths"} <= content.keys():
        raise AtomError(f"{path}: is no results.npy of MDM, which holds a dict of motion, text and lengths")
    motion, texts = np.asarray(content["motion"]), content["text"]
    lengths = np.asarray(content["lengths"]).ravel()
    if motion.ndim != 4 or motion.shape[1:3] != (JOINTS, 3) or motion.dtype.kind != "f":
        raise AtomError(
            f"{path}: its motions are {motion.dtype} of shape {motion.shape}, expected (motions, {JOINTS}, 3, frames) "
            "floating-point numbers: only models of HumanML3D generate these"
        )
    if not isinstance(texts, list) or not len(motion) == len(texts) == len(lengths) or lengths.dtype.kind not in "iu":
        raise AtomError(
            f"{path}: has {len(motion)} motions, {_count(texts)} texts and {len(lengths)} lengths, cut off?"
        )
    fps = content.get("fps")
    return [
        SourceMotion(
            f"{path}, motion {number}",
            HUMANML3D,
            fps=float(fps) if isinstance(fps, int | float) and not isinstance(fps, bool) else None,
            positions=frames.transpose(2, 0, 1)[: max(int(length), 0)],
            text=_join(path, text),
        )
        for number, (frames, text, length) in enumerate(zip(motion, texts, lengths))
    ]


def _join(path: Path, text: Any) -> str:
    """One text; that of MDM's dynamic mode is a list of texts that follow each other."""
    parts: Sequence[Any] = text if isinstance(text, list) else [text]
    if not parts or not all(isinstance(part, str) for part in parts):
        raise AtomError(f"{path}: its texts are not strings: motions of action classes have no prompt")
    if len(parts) == 1:
        return parts[0]
    return ", then ".join(part.strip().rstrip(".") for part in parts)


def _count(texts: Any) -> int:
    return len(texts) if isinstance(texts, list) else 0


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            read(file)
            return load_arrays(file.read())
    except OSError as error:
        raise AtomError(f"{path}: can't be read ({error.strerror}), check the file") from error
    except (UnsafePickle, ValueError) as error:
        reason = " ".join(str(error).split())[:100]
        raise AtomError(
            f"{path}: was refused, it is damaged or holds more than arrays and texts and could run code when opened "
            f"({reason})"
        ) from None


MDM = MotionFormat(
    FormatDefaults("mdm", SourceSettings(float(FPS), "y", 1.0)),
    written_by="MDM and its forks",
    recognised_by="results.npy, a pickled dict of motion (n, 22, 3, frames), text and lengths",
    skeleton="HumanML3D, 22 joints",
    recognises=_recognises,
    read=_read,
)
