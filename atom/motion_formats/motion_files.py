"""Reading of motions from files of any format, and writing of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from atom.errors import AtomError
from atom.motion.features import joints_to_features
from atom.motion.skeleton import FPS
from atom.motion_formats.conversion import ConvertedMotion, FormatDefaults, SourceSettings, convert_motion
from atom.motion_formats.formats import read_converted
from atom.motion_formats.readers.joint_arrays import joints_source
from atom.motion_formats.writers.amass_writer import write_amass
from atom.motion_formats.writers.bvh_writer import write_bvh
from atom.motion_formats.writers.glb_writer import write_glb

MotionKind = Literal["joints", "features", "amass"]
"""What is written of a motion."""

WRITTEN_SUFFIXES = (".npy", ".bvh", ".glb", ".npz")

OWN_FORM = FormatDefaults("set", SourceSettings(None, "y", 1.0))
"""Arrays of a set in this project's own form: metres, Y up; their rate is 20 fps unless a row says another."""


def read_motion(
    path: str | Path, fps: float | None = None, up: str | None = None, unit: str | float | None = None
) -> np.ndarray:
    """Reads a motion of any format in the table of formats, without running what is in the file.

    Args:
        path: a .npy, .npz, .pkl or .bvh that holds one motion.
        fps: frames a second; what the file or its format says if None, and 20 where neither does.
        up: the axis that points up: "y", "z", "-y" or "-z"; by file, format or body if None.
        unit: "m", "dm", "cm", "mm", "in", "ft" or a length in metres; by file, format or body if None.

    Returns:
        Joints (T, 22, 3) float32 in metres, Y up, 20 fps.

    Raises:
        AtomError: the file is missing, damaged, of no known format, or its body contradicts what it says.
    """
    return read_converted(path, SourceSettings.parse(fps, up, unit), assumed_fps=FPS).joints


def convert_array(
    array: Any, where: str, settings: SourceSettings | None = None, form: FormatDefaults = OWN_FORM
) -> ConvertedMotion:
    """Checks an array of joints or features and converts it.

    Args:
        array: joints (T, 22, 3), in metres, Y up, 20 fps unless `settings` say otherwise, of another known skeleton, or
            features (T, 263) that are not normalised.
        where: the source of the array; error messages begin with it.
        settings: frame rate, axis and unit where they differ.
        form: what holds where nothing else does.

    Returns:
        The joints and the record.

    Raises:
        AtomError: the array is no motion, or its body contradicts the settings.
    """
    return convert_motion(joints_source(where, np.asarray(array)), form, settings, assumed_fps=FPS)


def write_motion(path: str | Path, joints: np.ndarray, kind: MotionKind = "joints") -> None:
    """Writes a motion to a .npy, .bvh or .glb file, or as SMPL's parameters to a .npz file.

    Args:
        path: the file to write; its suffix chooses the format.
        joints: (T, 22, 3) in metres, Y up, 20 fps.
        kind: "joints" writes them as they are, or with rotations where the format has these; "features" writes T-1 rows
            of features, to .npy only; "amass" writes SMPL-H parameters, to .npz only.

    Raises:
        AtomError: the suffix is none of these or doesn't fit the kind, or the file can't be written.
    """
    path = Path(path)
    if kind not in get_args(MotionKind):
        raise AtomError(f"a motion is written as 'joints', 'features' or 'amass', not as {kind!r}")
    if path.suffix not in WRITTEN_SUFFIXES:
        raise AtomError(f"{path}: no motion is written to it, give a name that ends in .npy, .bvh, .glb or .npz")
    if kind == "features" and path.suffix != ".npy":
        raise AtomError(f"{path}: a {path.suffix} holds no features, give a name that ends in .npy")
    if (kind == "amass") != (path.suffix == ".npz"):
        raise AtomError(f"{path}: SMPL's parameters, and only these, are written to .npz: give a .npz and kind 'amass'")
    if path.suffix == ".bvh":
        write_bvh(path, joints)
    elif path.suffix == ".glb":
        write_glb(path, joints)
    elif path.suffix == ".npz":
        write_amass(path, joints)
    else:
        _write_npy(path, joints_to_features(joints) if kind == "features" else np.asarray(joints, dtype=np.float32))


def _write_npy(path: Path, array: np.ndarray) -> None:
    try:
        np.save(path, array, allow_pickle=False)
    except OSError as error:
        raise AtomError(f"{path}: can't be written ({error.strerror or error}), choose another place") from error
