"""The files of MoMask and MARDM: joints of a sample and repetition, which their names number.

MoMask's names hold no captions, MARDM's do. Source: gen_t2m.py of EricGuo5513/momask-codes at 94a6636; sample.py of
neu-vi/MARDM at 443313b.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from atom.motion.skeleton import FPS
from atom.motion_formats.conversion import FormatDefaults, SourceSettings
from atom.motion_formats.file_facts import FileFacts
from atom.motion_formats.motion_format import MotionFormat
from atom.motion_formats.readers.bvh_reader import read_bvh_source
from atom.motion_formats.readers.joint_arrays import joints_source
from atom.motion_formats.source_motion import SourceMotion

_NAME = re.compile(r"(?:caption:(?P<caption>.+)_)?sample(?P<prompt>\d+)_repeat(?P<repeat>\d+)_len(?P<length>\d+)")
_FOOT_IK = "_ik"  # MoMask writes each motion a second time with its feet pinned to the floor


def _recognises(facts: FileFacts) -> bool:
    if not _NAME.fullmatch(facts.path.stem.removesuffix(_FOOT_IK)):
        return False
    return facts.suffix == ".bvh" or (facts.array is not None and facts.array.shape[1:] == (22, 3))


def _read(facts: FileFacts) -> list[SourceMotion]:
    match = _NAME.fullmatch(facts.path.stem.removesuffix(_FOOT_IK))
    names: dict[str, Any] = {}
    if match is not None:
        names = {"text": match["caption"], "prompt_number": int(match["prompt"]), "sample": int(match["repeat"])}
    if facts.suffix == ".bvh":
        return [replace(read_bvh_source(facts.path), **names)]
    return [joints_source(str(facts.path), facts.load_array(), **names)]


def _motion_path(path: Path) -> Path:
    """MoMask keeps joints/3/sample3_... and animations/3/sample3_... of one motion."""
    folder = path.parent
    if folder.parent.name in ("joints", "animations"):
        folder = folder.parent.parent
    return folder / path.stem.removesuffix(_FOOT_IK)


MOMASK = MotionFormat(
    FormatDefaults("momask", SourceSettings(float(FPS), "y", 1.0)),
    written_by="MoMask, MARDM",
    recognised_by="sampleN_repeatN_lenN.npy (frames, 22, 3) or .bvh; MARDM's with the caption in front",
    skeleton="HumanML3D, 22 joints",
    recognises=_recognises,
    read=_read,
    motion_path=_motion_path,
)
