"""Writing of SMPL-H parameters in the layout of AMASS, by inverse kinematics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from atom.atomic_write import write_atomically
from atom.errors import AtomError
from atom.motion.skeleton import FPS, JOINT_INDEX, JOINTS
from atom.motion_formats.smpl_skeleton import SMPL_NEUTRAL, bone_offsets
from atom.motion_formats.writers.inverse_kinematics import local_rotations, world_rotations
from atom.motion_formats.writers.skeleton_fit import check_joints, fit_skeleton

_POSE_VALUES = 156  # of SMPL-H: 52 joints, of which 30 belong to the hands
_BETAS, _DMPLS = 16, 8
_Z_UP = Rotation.from_euler("x", 90, degrees=True)  # takes Y up to Z up
_HIPS = [JOINT_INDEX["l_hip"], JOINT_INDEX["r_hip"]]
_LEGS = [JOINT_INDEX[f"{side}_{joint}"] for side in "lr" for joint in ("knee", "ankle")]


def write_amass(path: str | Path, joints: np.ndarray, fps: float = FPS) -> None:
    """Write joints as an .npz with SMPL-H parameters, as AMASS has them: Z up, metres, axis-angle in radians.

    - `poses` (T, 156) turns the 22 body joints from SMPL's T-pose so that bones have the directions of the motion; the
      twists are those of `inverse_kinematics`, and hands don't move.
    - The body is SMPL's neutral mean shape: `betas` are 0, since joints don't show a shape. So joints lie where that
      body's bones put them, not where the person's were.
    - The path is scaled by the ratio of the legs and carries the middle of both hips, so that the feet of the mean body
      neither float nor slide.

    Sources: https://amass.is.tue.mpg.de and https://github.com/nghorbani/amass for the layout; Loper et al., "SMPL"
    (2015): the pelvis lies at `trans` plus its place at rest.

    Args:
        path: the file to write; it appears whole or not at all.
        joints: (T, 22, 3), T > 1, in metres, Y up.
        fps: frames a second.

    Raises:
        AtomError: the joints have another shape or hold NaN, or the file can't be written.
    """
    path = Path(path)
    fit = fit_skeleton(check_joints(path, joints))
    body = bone_offsets(SMPL_NEUTRAL)
    scale = _leg_length(body) / max(_leg_length(fit.offsets), 1e-9)
    rotations = world_rotations(fit.joints, body)
    pelvis = scale * fit.joints[:, _HIPS].mean(axis=1) - rotations[0].apply(body[_HIPS].mean(axis=0))
    root, *others = local_rotations(rotations)
    poses = np.zeros((len(fit.joints), _POSE_VALUES))
    poses[:, : 3 * JOINTS] = np.hstack([turn.as_rotvec() for turn in (_Z_UP * root, *others)])
    content = {
        "poses": poses,
        "trans": _Z_UP.apply(pelvis) - SMPL_NEUTRAL[0],
        "betas": np.zeros(_BETAS),
        "dmpls": np.zeros((len(poses), _DMPLS)),
        "gender": np.array("neutral"),
        "mocap_framerate": np.array(float(fps)),
    }
    try:
        write_atomically(path, lambda temporary: _save(temporary, content))
    except OSError as error:
        raise AtomError(f"{path}: can't be written ({error.strerror}), choose another place") from error


def _save(path: Path, content: dict[str, np.ndarray]) -> None:
    with path.open("wb") as file:  # given a name, savez appends .npz to it
        np.savez(file, **content)


def _leg_length(offsets: np.ndarray) -> float:
    """The mean length of thigh and shin together, in metres."""
    return float(np.linalg.norm(offsets[_LEGS], axis=-1).sum() / 2)
