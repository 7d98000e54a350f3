"""Kimodo's .npz: joints and rotations of SOMA's 77 or 30 joints, or of SMPL-X's 22.

Source: docs/source/user_guide/output_formats.md of nv-tlabs/kimodo at 7330e7e. The file has no frame rate: that of
its meta.json's duration counts where it is there, else the 30 fps of all of its models.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from atom.errors import AtomError
from atom.motion_formats.conversion import FormatDefaults, SourceSettings
from atom.motion_formats.file_facts import FileFacts
from atom.motion_formats.kinematics import to_local
from atom.motion_formats.motion_format import MotionFormat
from atom.motion_formats.skeletons import HUMANML3D, SOMA_30, SOMA_77
from atom.motion_formats.source_motion import SourceMotion
from atom.motion_formats.text_beside import read_json_object, text_of

_SKELETONS = {22: HUMANML3D, 30: SOMA_30, 77: SOMA_77}
_BODY_OF_77 = [SOMA_77.names.index(name) for name in SOMA_30.names]
_ROBOT = 34  # joints of Unitree's G1
_SAMPLE = re.compile(r".*_(\d\d)")


def _recognises(facts: FileFacts) -> bool:
    arrays = facts.arrays
    joints = arrays.get("posed_joints")
    return joints is not None and "global_rot_mats" in arrays and len(joints.shape) == 3


def _read(facts: FileFacts) -> list[SourceMotion]:
    where = str(facts.path)
    joints, rotations = facts.load_numbers("posed_joints"), facts.load_numbers("global_rot_mats")
    if joints.ndim != 3 or joints.shape[2] != 3 or rotations.shape != (*joints.shape, 3):
        raise AtomError(f"{where}: has posed_joints {joints.shape} and global_rot_mats {rotations.shape}, cut off?")
    count = joints.shape[1]
    if count == _ROBOT:
        raise AtomError(f"{where}: is a motion of the robot G1, not of a person: generate with a SOMA or SMPL-X model")
    if count not in _SKELETONS:
        raise AtomError(f"{where}: has {count} joints, Kimodo's people have {', '.join(map(str, _SKELETONS))}")
    meta = read_json_object(facts.path.with_name("meta.json"))
    match = _SAMPLE.fullmatch(facts.path.stem)
    skeleton = _SKELETONS[count]
    if skeleton is SOMA_77:  # fingers and ends don't matter here
        skeleton, joints, rotations = SOMA_30, joints[:, _BODY_OF_77], rotations[:, _BODY_OF_77]
    local, translations = to_local(where, skeleton.parents, joints.astype(np.float64), rotations.astype(np.float64))
    return [
        SourceMotion(
            where,
            skeleton,
            fps=_fps(meta, len(joints)),
            rotations=local,
            translations=translations,
            text=text_of(meta),
            sample=int(match[1]) if match else None,
        )
    ]


def _fps(meta: dict[str, object], frames: int) -> float | None:
    """Frames by the duration in meta.json, or by those of several texts that follow; None where it names none."""
    named = meta.get("durations", [meta.get("duration")])
    parts = [part for part in named if isinstance(part, int | float)] if isinstance(named, list) else []
    duration = sum(parts)
    if duration > 0 and len(parts) == len(named):
        fps = frames / duration
        return float(round(fps)) if abs(fps - round(fps)) < 0.5 / duration else fps
    return None


def _motion_path(path: Path) -> Path:
    """Kimodo writes x.npz, x_amass.npz and x.bvh, or motion_00.npz, amass_00.npz and motion_00.bvh."""
    stem = path.stem.removesuffix("_amass")
    return path.with_name(re.sub(r"^amass_(?=\d\d$)", "motion_", stem))


KIMODO = MotionFormat(
    FormatDefaults("kimodo", SourceSettings(30.0, "y", 1.0)),
    written_by="Kimodo (SOMA and SMPL-X models)",
    recognised_by=".npz with posed_joints and global_rot_mats",
    skeleton="SOMA, 77 or 30 joints; SMPL-X, 22 joints",
    recognises=_recognises,
    read=_read,
    motion_path=_motion_path,
)
