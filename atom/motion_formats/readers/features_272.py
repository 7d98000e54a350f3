"""The 272 features a frame of MotionMillion and MotionStreamer.

| columns | content, all in the heading of each frame but the first two rows |
|---|---|
| 0:2 | velocity of the root in x and z, metres a frame, in the heading of the frame before |
| 2:8 | rotation of the heading since the frame before, 6D |
| 8:74 | positions of 22 joints, the root above the origin |
| 74:140 | velocities of 22 joints |
| 140:272 | local rotations of 22 joints, 6D |

Source: Xiao et al., "MotionStreamer" (ICCV 2025), visualization/recover_visualize.py of zju3dv/MotionStreamer at
9ecbb25.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from atom.errors import AtomError
from atom.motion.skeleton import JOINTS, PARENTS
from atom.motion_formats.conversion import FormatDefaults, SourceSettings
from atom.motion_formats.file_facts import FileFacts
from atom.motion_formats.kinematics import to_local
from atom.motion_formats.motion_format import MotionFormat
from atom.motion_formats.skeletons import HUMANML3D
from atom.motion_formats.source_motion import SourceMotion
from atom.motion_formats.text_beside import read_text_file

FEATURES_272 = 272
_POSITIONS, _ROTATIONS = slice(8, 74), slice(140, 272)
_NAME = re.compile(r"(?P<stem>.+?)_predict")


def features_272_to_world(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The joints of a motion and their rotations in the world.

    Args:
        features: (T, 272), not normalised.

    Returns:
        Positions (T, 22, 3) in metres, Y up, and rotation matrices (T, 22, 3, 3).
    """
    features = features.astype(np.float64)
    turns = _matrices(features[:, 2:8])
    headings = np.empty_like(turns)
    heading = np.eye(3)
    for frame, turn in enumerate(turns):
        heading = turn @ heading
        headings[frame] = heading
    to_world = headings.swapaxes(-1, -2)
    steps = np.zeros((len(features), 3))
    steps[:, 0], steps[:, 2] = features[:, 0], features[:, 1]
    steps[1:] = np.einsum("tab,tb->ta", to_world[:-1], steps[1:])
    local = features[:, _POSITIONS].reshape(len(features), JOINTS, 3)
    positions = np.einsum("tab,tjb->tja", to_world, local) + np.cumsum(steps, axis=0)[:, None]
    rotations = _matrices(features[:, _ROTATIONS].reshape(-1, 6)).reshape(len(features), JOINTS, 3, 3)
    rotations[:, 0] = to_world @ rotations[:, 0]
    for joint in range(1, JOINTS):
        rotations[:, joint] = rotations[:, PARENTS[joint]] @ rotations[:, joint]
    return positions, rotations


def _matrices(sixd: np.ndarray) -> np.ndarray:
    """Rotation matrices (T, 3, 3) of 6D rotations (T, 6): their first two rows. Zhou et al., arXiv 1812.07035."""
    first = sixd[:, :3] / np.maximum(np.linalg.norm(sixd[:, :3], axis=1, keepdims=True), 1e-12)
    second = sixd[:, 3:] - (first * sixd[:, 3:]).sum(axis=1, keepdims=True) * first
    second /= np.maximum(np.linalg.norm(second, axis=1, keepdims=True), 1e-12)
    return np.stack([first, second, np.cross(first, second)], axis=1)


def _check(where: str, features: np.ndarray) -> None:
    """AtomError for features that are not finite, or still normalised."""
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        problem = f"{bad.sum()} of {len(features)} frames hold NaN or infinity, first frame {bad.argmax()}"
        raise AtomError(f"{where}: {problem}: leave these frames out")
    lengths = np.linalg.norm(features[:, _ROTATIONS].reshape(-1, 3), axis=1)
    if abs(float(np.median(lengths)) - 1) > 0.1:
        raise AtomError(f"{where}: its rotations are no unit vectors: the features are still normalised")


def _recognises(facts: FileFacts) -> bool:
    array = facts.array
    return array is not None and array.holds_numbers and array.shape[-1:] == (FEATURES_272,)


def _read(facts: FileFacts) -> list[SourceMotion]:
    where, features = str(facts.path), facts.load_array()
    features = features[0] if features.ndim == 3 and len(features) == 1 else features
    if features.ndim != 2 or features.shape[1] != FEATURES_272 or len(features) == 0:
        raise AtomError(f"{where}: has shape {features.shape}, expected (frames, {FEATURES_272})")
    _check(where, features)
    match = _NAME.fullmatch(facts.path.stem)
    text = read_text_file(facts.path.with_name(f"{match['stem'] if match else facts.path.stem}_text.txt"))
    rotations, translations = to_local(where, HUMANML3D.parents, *features_272_to_world(features))
    return [SourceMotion(where, HUMANML3D, rotations=rotations, translations=translations, text=text)]


def _motion_path(path: Path) -> Path:
    return path.with_name(path.stem.removesuffix("_predict"))


MOTION_272 = MotionFormat(
    FormatDefaults("motionmillion", SourceSettings(30.0, "y", 1.0)),
    written_by="MotionMillion, MotionStreamer",
    recognised_by=".npy (frames, 272); the text from *_text.txt",
    skeleton="SMPL, 22 joints",
    recognises=_recognises,
    read=_read,
    motion_path=_motion_path,
)
