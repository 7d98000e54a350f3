"""SMPL's parameters in .npz: AMASS, Kimodo's and DART's exports, HY-Motion, and others that name them alike.

Sources: AMASS (amass.is.tue.mpg.de) for SMPL-H and SMPL-X; visualize_mesh_web.py of Tencent-Hunyuan/HY-Motion-1.0 at
9993ccd; kimodo/exports/smplx.py at 7330e7e; zkf1997/DART at 4db72d3. Rates are as files have them, such as 120.00004.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from atom.errors import AtomError
from atom.motion_formats.body_model import shaped_rest_joints
from atom.motion_formats.conversion import FormatDefaults, SourceSettings
from atom.motion_formats.file_facts import FileFacts
from atom.motion_formats.motion_format import MotionFormat
from atom.motion_formats.smpl_motion import smpl_motion
from atom.motion_formats.smpl_skeleton import rest_joints
from atom.motion_formats.source_motion import SourceMotion
from atom.motion_formats.text_beside import read_json_object, read_text_file, text_of

_RATES = ("mocap_framerate", "mocap_frame_rate", "framerate", "frame_rate", "fps", "frameRate")
_TRANSLATIONS = ("trans", "transl", "translation", "bodyTranslation")
_BODY_POSES = ("pose_body", "body_pose")
_ROOTS = ("root_orient", "global_orient")
_HY_MOTION_NAME = re.compile(r"(?P<base>.+)_(?P<sample>\d{3})")
_SMPLH_POSES = (156, 72, 66)  # values a frame; SMPL-X has 165


def _recognises(facts: FileFacts) -> bool:
    arrays = facts.arrays
    has_poses = "poses" in arrays or (_first(facts, _BODY_POSES) and _first(facts, _ROOTS))
    return bool(has_poses and _first(facts, _TRANSLATIONS))


def _recognises_hy_motion(facts: FileFacts) -> bool:
    return {"poses", "trans", "Rh"} <= facts.arrays.keys()


def _read(facts: FileFacts) -> list[SourceMotion]:
    return [_motion(facts, text=read_text_file(facts.path.with_suffix(".txt")))]


def _read_hy_motion(facts: FileFacts) -> list[SourceMotion]:
    match = _HY_MOTION_NAME.fullmatch(facts.path.stem)
    if match is None:
        return [_motion(facts)]
    meta = read_json_object(facts.path.with_name(f"{match['base']}_meta.json"))
    return [_motion(facts, text=text_of(meta), sample=int(match["sample"]))]


def _motion(facts: FileFacts, text: str | None = None, sample: int | None = None) -> SourceMotion:
    where = str(facts.path)
    translation = _first(facts, _TRANSLATIONS)
    if translation is None or not _recognises(facts):
        raise AtomError(f"{where}: holds no poses and translations of SMPL, only {', '.join(facts.arrays) or 'none'}")
    poses, trans = _poses(facts), facts.load_numbers(translation)
    trans = trans[:, 0] if trans.ndim == 3 and trans.shape[1] == 1 else trans
    gender, model = _word(facts, "gender"), _model(facts, poses)
    rest, remark = _rest(facts, model, gender)
    return smpl_motion(where, poses, trans, rest, fps=_rate(facts), text=text, sample=sample, remarks=(remark,))


def _poses(facts: FileFacts) -> np.ndarray:
    if "poses" in facts.arrays:
        poses = facts.load_numbers("poses")
        return poses.reshape(len(poses), -1) if poses.ndim == 3 and poses.shape[2] == 3 else poses
    root, body = _first(facts, _ROOTS), _first(facts, _BODY_POSES)
    assert root is not None and body is not None
    parts = [facts.load_numbers(name) for name in (root, body)]
    if len({len(part) for part in parts}) > 1:
        raise AtomError(f"{facts.path}: has {len(parts[0])} frames of {root} and {len(parts[1])} of {body}, cut off?")
    return np.hstack([part.reshape(len(part), -1) for part in parts])


def _rest(facts: FileFacts, model: str, gender: str) -> tuple[np.ndarray, str]:
    """The joints at rest, and a remark on whose body that is."""
    betas = facts.load_numbers("betas").astype(np.float64).ravel() if _is_numeric(facts, "betas") else np.zeros(0)
    shaped = shaped_rest_joints(model, gender, betas)
    if shaped is not None:
        return shaped, f"body of the {model} model with the file's shape"
    known = gender if gender in ("male", "female") else "neutral"
    return rest_joints(model, gender), f"body of mean shape ({model}, {known}), the file's shape needs the model's file"


def _model(facts: FileFacts, poses: np.ndarray) -> str:
    named = _word(facts, "surface_model_type")
    if named in ("smpl", "smplh", "smplx"):
        return named
    is_smplx = "pose_jaw" in facts.arrays or "mocap_frame_rate" in facts.arrays or poses.shape[-1] == 165
    return "smplx" if is_smplx else "smplh"


def _rate(facts: FileFacts) -> float | None:
    """The frame rate in the file; None where it has none that can be read."""
    name = _first(facts, _RATES)
    if name is None or not _is_numeric(facts, name):
        return None
    value = facts.load(name).ravel()
    return float(value[0]) if value.size == 1 and value[0] > 0 else None


def _word(facts: FileFacts, name: str) -> str:
    """A word in the file, which some write as text, others as bytes, alone or in an array; "" if it can't be read."""
    found = facts.arrays.get(name)
    if found is None or found.dtype.kind not in "US":
        return ""
    value = facts.load(name).ravel()
    word = value[0] if value.size else ""
    return (word.decode("ascii", "replace") if isinstance(word, bytes) else str(word)).strip().lower()


def _first(facts: FileFacts, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in facts.arrays), None)


def _is_numeric(facts: FileFacts, name: str) -> bool:
    return name in facts.arrays and facts.arrays[name].holds_numbers


def _motion_path(path: Path) -> Path:
    stem = re.sub(r"^amass_(?=\d\d$)", "motion_", path.stem.removesuffix("_amass"))
    return path.with_name(stem)


HY_MOTION = MotionFormat(
    FormatDefaults("hy-motion", SourceSettings(30.0, "y", 1.0)),
    written_by="HY-Motion 1.0",
    recognised_by=".npz with poses, trans and Rh; the text from *_meta.json",
    skeleton="SMPL-H parameters",
    recognises=_recognises_hy_motion,
    read=_read_hy_motion,
)
SMPL_PARAMETERS = MotionFormat(
    FormatDefaults("smpl", SourceSettings(None, "z", 1.0)),
    written_by="AMASS, DART, Kimodo's *_amass.npz, other tools that export SMPL",
    recognised_by=".npz with poses and trans, or root_orient, pose_body and trans",
    skeleton="SMPL, SMPL-H or SMPL-X parameters",
    recognises=_recognises,
    read=_read,
    motion_path=_motion_path,
)
