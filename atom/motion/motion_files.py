"""Reading and writing of motion files.

.npy holds joints (frames, 22, 3) or features (frames, 263), .npz an array `joints`, and .bvh a skeleton with channels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np

from atom.errors import AtomError
from atom.motion.bvh_reader import read_bvh
from atom.motion.bvh_writer import write_bvh
from atom.motion.features import FEATURES, features_to_joints, joints_to_features
from atom.motion.skeleton import JOINT_INDEX, JOINTS, LEG_LENGTH_RANGE

MIN_FILE_FRAMES = 4  # one token of the generator stands for four frames
_EXPECTED = f"(frames, {JOINTS}, 3) for joints or (frames, {FEATURES}) for features"


def read_motion(path: str | Path) -> np.ndarray:
    """Read a motion file, without unpickling.

    Args:
        path: a .npy, .npz or .bvh file.

    Returns:
        Joints (T, 22, 3) float32 in metres, Y up, 20 fps.

    Raises:
        AtomError: the file is missing or unreadable, or `to_joints` refuses its content.
    """
    path = Path(path)
    return to_joints(_load(path), str(path))


def to_joints(array: np.ndarray, where: str) -> np.ndarray:
    """Check an array of joints or features and convert it to joints.

    Args:
        array: joints (T, 22, 3) or raw features (T, 263).
        where: the source of the array, such as its file; error messages begin with it.

    Returns:
        (T, 22, 3) float32 in metres.

    Raises:
        AtomError: the array has another type or shape, is not finite, is too short, or is not of human size.
    """
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise AtomError(f"{where}: holds values of type {array.dtype}, expected numbers of shape {_EXPECTED}")
    if array.shape[1:] not in ((JOINTS, 3), (FEATURES,)):
        raise AtomError(f"{where}: has shape {array.shape}, expected {_EXPECTED}")
    if len(array) < MIN_FILE_FRAMES:
        raise AtomError(f"{where}: has {len(array)} frames, a motion needs at least {MIN_FILE_FRAMES} (20 a second)")
    bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if bad.any():
        raise AtomError(f"{where}: {bad.sum()} of {len(array)} frames hold NaN or infinity, first frame {bad.argmax()}")
    joints = features_to_joints(array) if array.ndim == 2 else array.astype(np.float32)
    _check_size(where, joints)
    return joints


def write_motion(path: str | Path, joints: np.ndarray, kind: Literal["joints", "features"] = "joints") -> None:
    """Write a motion to a .npy or .bvh file.

    Args:
        path: the file to write; its suffix chooses the format.
        joints: (T, 22, 3) in metres.
        kind: "joints" writes them as they are; "features" writes T-1 rows of features, to .npy only.

    Raises:
        AtomError: the suffix is neither .npy nor .bvh, a .bvh should hold features, or the file can't be written.
    """
    path = Path(path)
    if path.suffix not in (".npy", ".bvh"):
        raise AtomError(f"{path}: motions are written as .npy or .bvh, give a name that ends in .npy or .bvh")
    if kind not in ("joints", "features"):
        raise AtomError(f"a motion is written as 'joints' or 'features', not as {kind!r}")
    if path.suffix == ".bvh":
        if kind == "features":
            raise AtomError(f"{path}: a .bvh holds no features, give a name that ends in .npy")
        write_bvh(path, joints)
        return
    array = joints_to_features(joints) if kind == "features" else np.asarray(joints, dtype=np.float32)
    try:
        np.save(path, array, allow_pickle=False)
    except OSError as error:
        raise AtomError(f"{path}: can't be written ({error.strerror}), choose another place") from error


def _load(path: Path) -> np.ndarray:
    if not path.is_file():
        raise AtomError(f"{path}: no such file, give a .npy or .npz file of joints or features, or a .bvh")
    if path.suffix.lower() == ".bvh":
        return read_bvh(path)
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            if "joints" not in content.files:
                raise AtomError(f"{path}: holds no array `joints`, only {content.files}")
            return content["joints"]
    except (ValueError, EOFError, BadZipFile) as error:
        raise AtomError(f"{path}: is not a NumPy array of numbers, give a .npy or .npz of shape {_EXPECTED}") from error
    except OSError as error:
        raise AtomError(f"{path}: can't be read ({error.strerror}), check the file") from error


def _check_size(where: str, joints: np.ndarray) -> None:
    hip, knee, ankle = (joints[:, JOINT_INDEX[name]] for name in ("r_hip", "r_knee", "r_ankle"))
    leg = np.median(np.linalg.norm(knee - hip, axis=-1) + np.linalg.norm(ankle - knee, axis=-1))
    if not LEG_LENGTH_RANGE[0] <= leg <= LEG_LENGTH_RANGE[1]:
        low, high = LEG_LENGTH_RANGE
        raise AtomError(
            f"{where}: the right leg is {leg:.3g} m long, a human leg is {low} to {high} m: give joints in metres, and "
            "features that are not normalised"
        )
