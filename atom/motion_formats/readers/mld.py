"""The .pkl files of MLD and MotionLCM: a dict of joints, text and length of one motion.

Source: demo.py of Dai-Wenxun/MotionLCM at 33dc619, ChenFengYe/motion-latent-diffusion.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from atom.errors import AtomError
from atom.motion.skeleton import FPS
from atom.motion_formats.array_pickle import UnsafePickle, load_arrays
from atom.motion_formats.conversion import FormatDefaults, SourceSettings
from atom.motion_formats.file_facts import FileFacts
from atom.motion_formats.motion_format import MotionFormat
from atom.motion_formats.readers.joint_arrays import joints_source
from atom.motion_formats.source_motion import SourceMotion

_NAME = re.compile(r"sample_id_\d+_length_\d+_rep_(?P<repeat>\d+)")
_CONVERT = (
    "python -c \"import pickle, numpy as np; d = pickle.load(open('x.pkl', 'rb')); "
    "np.savez('x.npz', joints=np.asarray(d['joints']), fps=20)\""
)


def _read(facts: FileFacts) -> list[SourceMotion]:
    where = str(facts.path)
    try:
        content: Any = load_arrays(facts.path.read_bytes())
    except OSError as error:
        raise AtomError(f"{where}: can't be read ({error.strerror}), check the file") from error
    except UnsafePickle as error:
        raise AtomError(
            f"{where}: was refused, it is damaged or holds more than arrays and texts and could run code when opened "
            f"({error}); if you trust it, convert it: {_CONVERT}"
        ) from None
    joints = content.get("joints") if isinstance(content, dict) else None
    if not isinstance(joints, np.ndarray):
        raise AtomError(f"{where}: holds no dict with joints, as MLD and MotionLCM write it")
    length, text = content.get("length"), content.get("text")
    match = _NAME.fullmatch(facts.path.stem)
    joints = joints[: int(length)] if isinstance(length, int) and length > 0 and joints.ndim == 3 else joints
    return [
        joints_source(
            where,
            joints,
            text=text if isinstance(text, str) else None,
            sample=int(match["repeat"]) if match else None,
        )
    ]


MLD = MotionFormat(
    FormatDefaults("mld", SourceSettings(float(FPS), "y", 1.0)),
    written_by="MLD, MotionLCM",
    recognised_by=".pkl, a pickled dict of joints, text and length",
    skeleton="HumanML3D, 22 joints",
    recognises=lambda facts: facts.suffix == ".pkl",
    read=_read,
)
