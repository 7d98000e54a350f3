"""KIT-ML: 21 joints of the MMM model, or 251 features a frame, at 12.5 fps.

Source: paramUtil.py and motion_representation of EricGuo5513/HumanML3D; mmm joint names as in Mathux/TMR at 6d74688.
As distributed the numbers are millimetres; some copies are in metres, so the unit is found from the body.
"""

from __future__ import annotations

import numpy as np

from atom.errors import AtomError
from atom.motion_formats.conversion import FormatDefaults, SourceSettings
from atom.motion_formats.file_facts import FileFacts
from atom.motion_formats.motion_format import MotionFormat
from atom.motion_formats.skeletons import KIT_21
from atom.motion_formats.source_motion import SourceMotion

JOINTS, FEATURES, FPS = 21, 251, 12.5


def _shape(facts: FileFacts) -> tuple[int, ...]:
    """The shape of a .npy of numbers without a leading 1; () for other files."""
    array = facts.array
    if array is None or not array.holds_numbers:
        return ()
    return array.shape[1:] if array.shape[:1] == (1,) and len(array.shape) > 2 else array.shape


def _load(facts: FileFacts) -> np.ndarray:
    array = facts.load_array()
    if array.ndim < 2 or array.size == 0:
        raise AtomError(f"{facts.path}: has shape {array.shape}, expected a motion of {JOINTS} joints")
    array = array.reshape(_shape(facts))
    bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if bad.any():
        problem = f"{bad.sum()} of {len(array)} frames hold NaN or infinity, first frame {bad.argmax()}"
        raise AtomError(f"{facts.path}: {problem}: leave these frames out")
    return array.astype(np.float64)


def features_to_positions(features: np.ndarray, joints: int = JOINTS) -> np.ndarray:
    """The joints of features that follow HumanML3D's rules, for a skeleton of any number of joints.

    Args:
        features: (T, 12 * joints - 1), not normalised.
        joints: the number of joints of the skeleton, 21 of KIT-ML's.

    Returns:
        (T, joints, 3) in the unit of the features, Y up.
    """
    frames = len(features)
    heading = np.concatenate([[0.0], np.cumsum(features[:-1, 0])])  # half of the angle, as a quaternion takes it
    cos, sin = np.cos(2 * heading), np.sin(2 * heading)

    def to_world(vectors: np.ndarray) -> np.ndarray:
        x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
        c, s = (value.reshape(-1, *[1] * (x.ndim - 1)) for value in (cos, sin))
        return np.stack([c * x - s * z, y, s * x + c * z], axis=-1)

    steps = np.zeros((frames, 3))
    steps[1:, 0], steps[1:, 2] = features[:-1, 1], features[:-1, 2]
    root = np.cumsum(to_world(steps), axis=0)
    positions = np.zeros((frames, joints, 3))
    positions[:, 1:] = to_world(features[:, 4 : 3 * joints + 1].reshape(frames, joints - 1, 3))
    positions[:, :, [0, 2]] += root[:, None, [0, 2]]
    positions[:, 0, 1] = features[:, 3]
    return positions


def _read_features(facts: FileFacts) -> list[SourceMotion]:
    features = _load(facts)
    if features.ndim != 2 or features.shape[1] != FEATURES:
        raise AtomError(f"{facts.path}: has shape {features.shape}, expected (frames, {FEATURES})")
    return [SourceMotion(str(facts.path), KIT_21, positions=features_to_positions(features))]


def _read_joints(facts: FileFacts) -> list[SourceMotion]:
    return [SourceMotion(str(facts.path), KIT_21, positions=_load(facts))]


KIT_FEATURES = MotionFormat(
    FormatDefaults("kit-features", SourceSettings(FPS, "y")),
    written_by="KIT-ML, and models of it",
    recognised_by=f".npy (frames, {FEATURES})",
    skeleton="MMM, 21 joints",
    recognises=lambda facts: len(_shape(facts)) == 2 and _shape(facts)[1] == FEATURES,
    read=_read_features,
)
KIT_JOINTS = MotionFormat(
    FormatDefaults("kit-joints", SourceSettings(FPS, "y")),
    written_by="KIT-ML, and models of it",
    recognised_by=f".npy (frames, {JOINTS}, 3)",
    skeleton="MMM, 21 joints",
    recognises=lambda facts: _shape(facts)[1:] == (JOINTS, 3),
    read=_read_joints,
)
