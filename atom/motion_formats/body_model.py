"""The user's own SMPL-H or SMPL-X model, for the shape of each body: arrays of .npz files alone."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from atom.errors import AtomError
from atom.motion.skeleton import JOINTS
from atom.motion_formats.file_facts import FileFacts

FOLDER_VARIABLE = "ATOM_BODY_MODELS"
"""Names a folder laid out as the models are downloaded: smplh/male/model.npz, smplx/SMPLX_MALE.npz."""


def shaped_rest_joints(model: str, gender: str, betas: np.ndarray) -> np.ndarray | None:
    """The joints at rest of a body of this shape, by the model in the folder that ATOM_BODY_MODELS names.

    They are the joint regressor times the template that the shape parameters deform. Loper et al., "SMPL" (2015).

    Args:
        model: "smpl", "smplh" or "smplx".
        gender: "male", "female" or any other word for neutral.
        betas: shape parameters; further ones than the model has are left out.

    Returns:
        (22, 3) in metres, Y up; None without such a folder or model in it.

    Raises:
        AtomError: the model's file can't be read or has other arrays.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    path = _find(Path(folder), model, gender) if folder else None
    if path is None:
        return None
    template, directions, regressor = _load(path)
    count = min(len(betas), directions.shape[-1])
    vertices = template + directions[..., :count] @ betas[:count]
    return regressor @ vertices


def _find(folder: Path, model: str, gender: str) -> Path | None:
    gender = gender if gender in ("male", "female") else "neutral"
    names = (
        f"{model}/{gender}/model.npz",
        f"{model}/{model.upper()}_{gender.upper()}.npz",
        f"{model.upper()}_{gender.upper()}.npz",
    )
    return next((folder / name for name in names if (folder / name).is_file()), None)


@lru_cache(maxsize=6)
def _load(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    facts = FileFacts(path)
    template = facts.load_numbers("v_template").astype(np.float64)
    directions = facts.load_numbers("shapedirs").astype(np.float64)
    regressor = facts.load_numbers("J_regressor").astype(np.float64)[:JOINTS]
    vertices = len(template)
    if (
        template.shape != (vertices, 3)
        or directions.shape[:2] != (vertices, 3)
        or regressor.shape != (JOINTS, vertices)
    ):
        raise AtomError(
            f"{path}: is no SMPL model with v_template (V, 3), shapedirs (V, 3, betas) and J_regressor (joints, V)"
        )
    return template, directions, regressor
