"""A motion as its file holds it: any skeleton, frame rate, upward axis and unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from atom.errors import AtomError

UpAxis = Literal["y", "z", "-y", "-z"]
"""The axis of a file that points up."""


@dataclass(frozen=True)
class Skeleton:
    """The joints of a body: a name and a parent each.

    Attributes:
        names: one a joint, "" for the end of a limb that has no name.
        parents: the index of each joint's parent, which comes earlier; -1 for the root.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]


@dataclass(frozen=True)
class SourceMotion:
    """One motion of any skeleton, in the coordinates of its file.

    It has `positions`, or `rotations` and `translations`, from which forward kinematics computes positions. What the
    file and its format leave open is None; nothing is invented here.

    Attributes:
        where: the file and the place in it; error messages begin with it.
        skeleton: the joints.
        fps: frames a second.
        up: the axis that points up.
        metres: the length of one unit in metres.
        positions: (T, J, 3), joints in the world.
        rotations: (T, J, 4), of each joint relative to its parent, quaternions (w, x, y, z).
        translations: (T, J, 3), of each joint in the frame of its parent; of the root, in the world.
        rest: (J, 3), joints in the rest pose, where the file has one.
        text: the prompt, where the file or a file beside it has one.
        sample: which motion of its text this is, where the format numbers them.
        prompt_number: which line of the generator's list of prompts its text was, where the file says that alone.
        fps_fault: what is wrong with the rate that the file has, if so; then none is assumed.
        remarks: what the reader did or doubts, a short sentence each.
    """

    where: str
    skeleton: Skeleton
    fps: float | None = None
    up: UpAxis | None = None
    metres: float | None = None
    positions: np.ndarray | None = None
    rotations: np.ndarray | None = None
    translations: np.ndarray | None = None
    rest: np.ndarray | None = None
    text: str | None = None
    sample: int | None = None
    prompt_number: int | None = None
    fps_fault: str = ""
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises AtomError if an array has other joints than the skeleton, as in a file of another format."""
        joints = len(self.skeleton.names)
        for array, values in ((self.positions, 3), (self.rotations, 4), (self.translations, 3)):
            if array is not None and array.shape[1:] != (joints, values):
                expected = f"(frames, {joints}, {values})"
                raise AtomError(f"{self.where}: holds joints of shape {array.shape}, expected {expected}")

    def __len__(self) -> int:
        """The number of frames."""
        array = self.positions if self.positions is not None else self.translations
        assert array is not None
        return len(array)
