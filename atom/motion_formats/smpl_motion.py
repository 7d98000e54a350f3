"""SMPL's parameters as a motion: axis-angle rotations of the body joints on a rest skeleton."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from atom.errors import AtomError
from atom.motion.skeleton import JOINTS
from atom.motion_formats.skeletons import HUMANML3D
from atom.motion_formats.smpl_skeleton import bone_offsets
from atom.motion_formats.source_motion import SourceMotion

BODY_VALUES = 3 * JOINTS  # of root and body; hands, jaw and eyes follow in SMPL-H and SMPL-X


def smpl_motion(where: str, poses: np.ndarray, trans: np.ndarray, rest: np.ndarray, **facts: Any) -> SourceMotion:
    """A motion of SMPL, SMPL-H or SMPL-X from its parameters.

    A joint's rotation in the world is its parent's times its own; the pelvis lies at `trans` plus its place at rest,
    which the root's rotation does not move. Loper et al., "SMPL" (2015); lbs of the package smplx.

    Args:
        where: the source; error messages begin with it.
        poses: (T, 66 or more) axis-angle of root and body joints in radians.
        trans: (T, 3).
        rest: (22, 3), the joints of the body at rest, in metres.
        facts: further fields of `SourceMotion`: fps, up, text, sample, remarks.

    Returns:
        The motion, in metres.

    Raises:
        AtomError: the arrays have other shapes.
    """
    if poses.ndim != 2 or poses.shape[1] < BODY_VALUES or trans.shape != (len(poses), 3):
        raise AtomError(
            f"{where}: has poses {poses.shape} and trans {trans.shape}, expected (frames, {BODY_VALUES} or more) and "
            "(frames, 3)"
        )
    frames = len(poses)
    vectors = poses[:, :BODY_VALUES].astype(np.float64).reshape(-1, 3)
    if not np.isfinite(vectors).all():
        bad = ~np.isfinite(vectors).reshape(frames, -1).all(axis=1)
        raise AtomError(
            f"{where}: {bad.sum()} of {frames} frames hold NaN or infinity, first frame {bad.argmax()}: leave these "
            "frames out"
        )
    rotations = Rotation.from_rotvec(vectors).as_quat(scalar_first=True).reshape(frames, JOINTS, 4)
    offsets = bone_offsets(rest)
    translations = np.tile(offsets, (frames, 1, 1))
    translations[:, 0] = trans + rest[0]
    return SourceMotion(
        where, HUMANML3D, metres=1.0, rotations=rotations, translations=translations, rest=rest, **facts
    )
