"""Arrays of joints of a known skeleton, and HumanML3D's features, in .npy and .npz files of any origin."""

from __future__ import annotations

import numpy as np

from atom.errors import AtomError
from atom.motion.features import FEATURES, features_to_joints
from atom.motion.skeleton import FPS, JOINTS
from atom.motion_formats.body_checks import check_features
from atom.motion_formats.conversion import FormatDefaults, SourceSettings
from atom.motion_formats.file_facts import FileFacts
from atom.motion_formats.motion_format import MotionFormat
from atom.motion_formats.skeletons import HUMANML3D, SMPL_FAMILY, SOMA_30, SOMA_77
from atom.motion_formats.source_motion import SourceMotion

JOINT_KEYS = ("joints", "posed_joints", "keypoints3d", "positions", "joint_positions", "motion")
"""The names under which .npz files hold joints; the first that is there counts."""
_SKELETONS = {30: SOMA_30, 77: SOMA_77} | dict.fromkeys(SMPL_FAMILY, HUMANML3D)
_EXPECTED = (
    f"joints (frames, N, 3) with N of {', '.join(map(str, sorted(_SKELETONS)))}, or HumanML3D features "
    f"(frames, {FEATURES})"
)


def joints_source(where: str, array: np.ndarray, **facts: object) -> SourceMotion:
    """A motion from an array of joints or features.

    Args:
        where: the source of the array; error messages begin with it.
        array: (T, N, 3) joints of a skeleton of N joints, (T, 263) features of HumanML3D, joints flattened to (T, 3 N)
            or with frames last (N, 3, T); each also with a leading axis of 1.
        facts: further fields of `SourceMotion`: fps, up, metres, text, sample, remarks.

    Returns:
        The motion. Hands, jaw and eyes of SMPL-H and SMPL-X are left out.

    Raises:
        AtomError: the array is none of these, or its features contradict themselves.
    """
    shape = array.shape
    if array.dtype.kind not in "fiu":
        raise AtomError(f"{where}: holds values of type {array.dtype}, expected numbers: {_EXPECTED}")
    array = array[0] if array.ndim > 2 and shape[0] == 1 and not _is_joints(shape) else array
    if array.ndim == 3 and array.shape[1] == 3 and array.shape[0] in _SKELETONS and array.shape[2] != 3:
        array = array.transpose(2, 0, 1)
    if array.ndim == 2 and array.shape[1] == FEATURES:
        return _features_source(where, array, facts)
    if array.ndim == 2 and array.shape[1] % 3 == 0 and array.shape[1] // 3 in _SKELETONS:
        array = array.reshape(len(array), -1, 3)
    if not _is_joints(array.shape):
        raise AtomError(f"{where}: has shape {shape}, expected {_EXPECTED}")
    skeleton = _SKELETONS[array.shape[1]]
    return SourceMotion(where, skeleton, positions=array[:, : len(skeleton.names)], **facts)  # type: ignore[arg-type]


def _is_joints(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[1] in _SKELETONS and shape[2] == 3


def _features_source(where: str, features: np.ndarray, facts: dict[str, object]) -> SourceMotion:
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise AtomError(
            f"{where}: {bad.sum()} of {len(features)} frames hold NaN or infinity, first frame {bad.argmax()}: leave "
            "these frames out"
        )
    if len(features) > 1:
        check_features(where, features)
    return SourceMotion(where, HUMANML3D, positions=features_to_joints(features), **facts)  # type: ignore[arg-type]


def find_joints(facts: FileFacts) -> str | None:
    """The name of the array in a .npz file that holds joints of a known skeleton or features; None if none does."""
    for name in (*JOINT_KEYS, "features"):
        array = facts.arrays.get(name)
        if array is not None and array.holds_numbers and _has_known_shape(array.shape):
            return name
    return None


def _has_known_shape(shape: tuple[int, ...]) -> bool:
    shape = shape[1:] if len(shape) > 2 and shape[0] == 1 and not _is_joints(shape) else shape
    if len(shape) == 2:
        return shape[1] == FEATURES or (shape[1] % 3 == 0 and shape[1] // 3 in _SKELETONS)
    return _is_joints(shape) or (len(shape) == 3 and shape[1] == 3 and shape[0] in _SKELETONS)


def _recognise_joints(facts: FileFacts) -> bool:
    array = facts.array
    if array is not None:
        return array.holds_numbers and _has_known_shape(array.shape) and not _recognise_features(facts)
    return find_joints(facts) is not None


def _recognise_features(facts: FileFacts) -> bool:
    array = facts.array
    return array is not None and array.holds_numbers and array.shape[-1:] == (FEATURES,) and len(array.shape) in (2, 3)


def _read(facts: FileFacts) -> list[SourceMotion]:
    where = str(facts.path)
    if facts.suffix == ".npy":
        return [joints_source(where, facts.load_array())]
    name = find_joints(facts)
    if name is None:
        raise AtomError(
            f"{where}: holds no joints of a known skeleton, only {', '.join(facts.arrays)}: name the array `joints`"
        )
    if name == "features":
        return [joints_source(where, facts.load_numbers(name), fps=float(FPS), up="y", metres=1.0)]
    fps = next((float(facts.load(key)) for key in ("fps", "mocap_framerate") if _is_number(facts, key)), None)
    return [joints_source(where, facts.load_numbers(name), fps=fps)]


def _is_number(facts: FileFacts, name: str) -> bool:
    return name in facts.arrays and facts.arrays[name].shape == () and facts.arrays[name].holds_numbers


FEATURE_ARRAYS = MotionFormat(
    FormatDefaults("humanml3d-features", SourceSettings(float(FPS), "y", 1.0)),
    written_by="T2M, T2M-GPT, MotionGPT, MoMask, any model of HumanML3D",
    recognised_by=f".npy (frames, {FEATURES}), with or without a leading 1",
    skeleton=f"HumanML3D, {JOINTS} joints",
    recognises=_recognise_features,
    read=_read,
)
JOINT_ARRAYS = MotionFormat(
    FormatDefaults("joints"),
    written_by="anything; the file must say more, or you",
    recognised_by=".npy or .npz (frames, N, 3) with N of 22, 24, 30, 52, 55, 77",
    skeleton="HumanML3D, SMPL, SMPL-H, SMPL-X, SOMA by the number of joints",
    recognises=_recognise_joints,
    read=_read,
)
