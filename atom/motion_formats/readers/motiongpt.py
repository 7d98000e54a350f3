"""The demo files of MotionGPT, AToM, MotionGPT3 and T2M-GPT: joints or features with a leading axis of 1.

Source: demo.py of OpenMotionLab/MotionGPT at 001aaca; T2M-GPT at b1446f1.
"""

from __future__ import annotations

import re
from pathlib import Path

from atom.motion.skeleton import FPS
from atom.motion_formats.conversion import FormatDefaults, SourceSettings
from atom.motion_formats.file_facts import FileFacts
from atom.motion_formats.motion_format import MotionFormat
from atom.motion_formats.readers.joint_arrays import joints_source
from atom.motion_formats.source_motion import SourceMotion
from atom.motion_formats.text_beside import read_text_file

_NAME = re.compile(r"(?P<stem>.+?)_(out|out_feats|pred)")


def _recognises(facts: FileFacts) -> bool:
    array = facts.array
    if array is None or not array.holds_numbers or not _NAME.fullmatch(facts.path.stem):
        return False
    return array.shape[-2:] == (22, 3) or array.shape[-1:] == (263,)


def _read(facts: FileFacts) -> list[SourceMotion]:
    text = _find_text(facts.path)
    return [joints_source(str(facts.path), facts.load_array(), text=text)]


def _find_text(path: Path) -> str | None:
    """The prompt: what MotionGPT writes as its input, or a prompt.txt in the folder of one motion."""
    match = _NAME.fullmatch(path.stem)
    stem = match["stem"] if match else path.stem
    return read_text_file(path.with_name(f"{stem}_in.txt")) or read_text_file(path.with_name("prompt.txt"))


def _motion_path(path: Path) -> Path:
    match = _NAME.fullmatch(path.stem)
    return path.with_name(match["stem"] if match else path.stem)


MOTIONGPT = MotionFormat(
    FormatDefaults("motiongpt", SourceSettings(float(FPS), "y", 1.0)),
    written_by="MotionGPT, AToM, MotionGPT3, T2M-GPT (demo files)",
    recognised_by="*_out.npy or *_pred.npy (1, frames, 22, 3), *_out_feats.npy (frames, 263)",
    skeleton="HumanML3D, 22 joints",
    recognises=_recognises,
    read=_read,
    motion_path=_motion_path,
)
