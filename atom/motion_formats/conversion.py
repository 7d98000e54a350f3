"""A motion of any source as the 22 joints of HumanML3D in metres, Y up, at 20 fps, with a record of what was done."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atom.errors import AtomError
from atom.motion.skeleton import FPS, JOINT_NAMES, JOINTS
from atom.motion_formats.body_checks import check_body, ground
from atom.motion_formats.body_size import metres_per_unit, upward_axis
from atom.motion_formats.kinematics import positions_at
from atom.motion_formats.matching.joint_matching import joint_weights
from atom.motion_formats.source_motion import SourceMotion, UpAxis

UNITS = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
"""The length of each unit in metres."""
UP_AXES: tuple[UpAxis, ...] = ("y", "z", "-y", "-z")
_FPS_RANGE = (5.0, 1000.0)  # slower, a step falls between two frames; faster is no camera and no capture
_MAX_SECONDS = 3600.0
_POSES = 50  # spread over the motion: enough to know a body's axis and size
_TURNS = {  # the columns and signs that turn each axis up to +Y, as rotations: left stays left
    "y": ([0, 1, 2], (1, 1, 1)),
    "z": ([0, 2, 1], (1, 1, -1)),
    "-y": ([0, 1, 2], (1, -1, -1)),
    "-z": ([0, 2, 1], (1, -1, 1)),
}


@dataclass(frozen=True)
class SourceSettings:
    """Frame rate, upward axis and unit of a source. Of a user, they stand above what a file or its format says.

    Attributes:
        fps: frames a second, 5 to 1,000.
        up: the axis that points up: "y", "z", "-y" or "-z".
        metres: the length of one unit in metres.
    """

    fps: float | None = None
    up: UpAxis | None = None
    metres: float | None = None

    @classmethod
    def parse(cls, fps: Any = None, up: Any = None, unit: Any = None) -> SourceSettings:
        """Settings from the words of a command line or an index; empty ones are None.

        Raises:
            AtomError: one of them is no frame rate, axis or unit.
        """
        return cls(_parse_fps(fps), _parse_up(up), _parse_unit(unit))

    def over(self, other: SourceSettings) -> SourceSettings:
        """These settings, and those of another where these leave one open."""
        return SourceSettings(
            other.fps if self.fps is None else self.fps,
            other.up if self.up is None else self.up,
            other.metres if self.metres is None else self.metres,
        )


@dataclass(frozen=True)
class ConversionRecord:
    """What was done to a motion.

    Attributes:
        format: the name of the file's format.
        fps: frames a second of the source, and `fps_from` who says so: "user", "file", "format" or "assumed".
        up: the upward axis of the source, and `up_from`: "user", "file", "format" or "body".
        metres: the length of the source's unit in metres, and `metres_from` like `up_from`.
        source_frames: frames before resampling.
        floor: metres that the motion was moved up to stand on the floor; 0 where it stood.
        remarks: doubts and what else was done, a short sentence each.
    """

    format: str
    fps: float
    fps_from: str
    up: str
    up_from: str
    metres: float
    metres_from: str
    source_frames: int
    floor: float = 0.0
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConvertedMotion:
    """Joints (T, 22, 3) float32 in metres, Y up, at 20 fps, and how they came about."""

    joints: np.ndarray
    record: ConversionRecord
    text: str | None = None
    sample: int | None = None


@dataclass(frozen=True)
class FormatDefaults:
    """What a format says of all of its files."""

    name: str = "joints"
    settings: SourceSettings = field(default_factory=SourceSettings)


def convert_motion(
    source: SourceMotion,
    form: FormatDefaults,
    settings: SourceSettings | None = None,
    assumed_fps: float | None = None,
) -> ConvertedMotion:
    """Converts a motion to HumanML3D's joints, resampled at its true times.

    Frame rate, upward axis and unit come from the user, else from the file, else from its format. No rate is invented.
    An axis or unit that none of them gives is found from the body. What the body contradicts is refused, what it leaves
    in doubt is a remark.

    Args:
        source: the motion as its file holds it.
        form: its format, and what that says of its files.
        settings: what the user says.
        assumed_fps: the frame rate where nobody says it; a remark tells. None asks instead.

    Returns:
        The joints and the record.

    Raises:
        AtomError: nobody says the frame rate; the skeleton can't be matched; the numbers are not finite, too few or of
            no human body; the body contradicts the axis or lies mirrored.
    """
    given = settings or SourceSettings()
    in_file = SourceSettings(source.fps, source.up, source.metres)
    known = given.over(in_file).over(form.settings)
    where, remarks = source.where, list(source.remarks)
    fps, fps_from = known.fps, _origin("fps", given, in_file)
    if fps is None and assumed_fps is not None and not source.fps_fault:
        fps, fps_from = assumed_fps, "assumed"
        remarks.append(f"no frame rate in the file, read at {fps:g} fps")
    if fps is None:
        fault = source.fps_fault or "neither the file nor its format says its frame rate"
        raise AtomError(f"{where}: {fault}: give the true one, for example --fps 30")
    _check_rate(where, fps, len(source))
    _check_finite(source)
    positions = positions_at(source, fps, FPS)
    joints, rest = _to_joints(source, positions)
    up, up_from = known.up, _origin("up", given, in_file)
    poses = joints[:: max(len(joints) // _POSES, 1)]
    if up is None:
        up, up_from = upward_axis(poses, rest), "body"
        remarks += [f"turned so that {up} is up, as the body stands"] if up not in ("y", "z") else []
    joints = _turn_up(joints, up)
    metres, metres_from = known.metres, _origin("metres", given, in_file)
    if metres is None:
        (metres, remark), metres_from = metres_per_unit(where, _turn_up(poses, up)), "body"
        remarks += [remark] if remark else []
    joints = joints * metres if metres != 1 else joints
    remarks += _disagreements(given, in_file.over(form.settings))
    remarks += check_body(where, joints, up, axis_is_given=given.up is not None)
    joints, floor = ground(joints)
    if floor:
        remarks.append(f"moved {'up' if floor > 0 else 'down'} by {abs(floor):.2f} m to stand on the floor")
    record = ConversionRecord(
        format=form.name,
        fps=fps,
        fps_from=fps_from,
        up=up,
        up_from=up_from,
        metres=metres,
        metres_from=metres_from,
        source_frames=len(source),
        floor=floor,
        remarks=tuple(remarks),
    )
    return ConvertedMotion(joints.astype(np.float32), record, source.text, source.sample)


def _to_joints(source: SourceMotion, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The 22 joints of the motion (T, 22, 3) and of the rest pose (22, 3), in the axes and unit of the source."""
    if source.skeleton.names[:JOINTS] == JOINT_NAMES:
        return positions[:, :JOINTS], None if source.rest is None else source.rest[:JOINTS]
    weights = joint_weights(source.where, source.skeleton, positions, source.rest)
    return weights @ positions, None if source.rest is None else weights @ source.rest


def _turn_up(joints: np.ndarray, up: UpAxis) -> np.ndarray:
    if up == "y":
        return joints
    columns, signs = _TURNS[up]
    return joints[..., columns] * signs


def _check_rate(where: str, fps: float, frames: int) -> None:
    low, high = _FPS_RANGE
    if not low <= fps <= high:
        raise AtomError(f"{where}: {fps:g} frames a second are not {low:g} to {high:g}: give the true rate with --fps")
    if frames < 2:
        raise AtomError(f"{where}: has {frames} frame(s), a motion needs at least 2")
    if frames / fps > _MAX_SECONDS:
        raise AtomError(f"{where}: lasts {frames / fps / 60:.0f} minutes, cut it into clips of an hour at most")


def _check_finite(source: SourceMotion) -> None:
    for array in (source.positions, source.rotations, source.translations):
        if array is None or np.isfinite(np.sum(array)):  # a sum is finite unless a part is not; overflow aside
            continue
        bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if bad.any():
            problem = f"{bad.sum()} of {len(array)} frames hold NaN or infinity, first frame {bad.argmax()}"
            raise AtomError(f"{source.where}: {problem}: leave these frames out")


def _origin(name: str, given: SourceSettings, in_file: SourceSettings) -> str:
    if getattr(given, name) is not None:
        return "user"
    return "format" if getattr(in_file, name) is None else "file"


def _disagreements(given: SourceSettings, known: SourceSettings) -> list[str]:
    """A remark for each setting in which the user overrules the file or its format."""
    remarks = []
    if given.fps is not None and known.fps is not None and not math.isclose(given.fps, known.fps, rel_tol=1e-3):
        remarks.append(f"read at {given.fps:g} fps as given, where the file or its format says {known.fps:g}")
    if given.up is not None and known.up is not None and given.up != known.up:
        remarks.append(f"read with {given.up} up as given, where the file or its format says {known.up}")
    if given.metres is not None and known.metres is not None and given.metres != known.metres:
        remarks.append(f"read in units of {given.metres:g} m as given, where the format says {known.metres:g} m")
    return remarks


def _parse_fps(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        fps = float(value)
    except (TypeError, ValueError):
        fps = math.nan
    low, high = _FPS_RANGE
    if isinstance(value, bool) or not low <= fps <= high:
        raise AtomError(f"fps {value!r} is no frame rate of {low:g} to {high:g} a second")
    return fps


def _parse_up(value: Any) -> UpAxis | None:
    if value is None or value == "":
        return None
    up = str(value).strip().lower().removeprefix("+")
    if up not in UP_AXES:
        raise AtomError(f"up {value!r} is none of {', '.join(UP_AXES)}")
    return up  # type: ignore[return-value]


def _parse_unit(value: Any) -> float | None:
    if value is None or value == "":
        return None
    if str(value).strip().lower() in UNITS:
        return UNITS[str(value).strip().lower()]
    try:
        metres = float(value)
    except (TypeError, ValueError):
        metres = math.nan
    if isinstance(value, bool) or not 0 < metres < 1e6:
        raise AtomError(f"unit {value!r} is none of {', '.join(UNITS)}, nor a length in metres")
    return metres
