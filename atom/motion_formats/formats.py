"""The table of formats, and motions of any of them from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from atom.errors import AtomError
from atom.motion_formats.conversion import ConvertedMotion, FormatDefaults, SourceSettings, convert_motion
from atom.motion_formats.file_facts import FileFacts
from atom.motion_formats.motion_format import MotionFormat
from atom.motion_formats.readers.bvh import BVH
from atom.motion_formats.readers.features_272 import MOTION_272
from atom.motion_formats.readers.joint_arrays import FEATURE_ARRAYS, JOINT_ARRAYS
from atom.motion_formats.readers.kimodo import KIMODO
from atom.motion_formats.readers.kit import KIT_FEATURES, KIT_JOINTS
from atom.motion_formats.readers.mdm import MDM
from atom.motion_formats.readers.mld import MLD
from atom.motion_formats.readers.momask import MOMASK
from atom.motion_formats.readers.motiongpt import MOTIONGPT
from atom.motion_formats.readers.smpl_parameters import HY_MOTION, SMPL_PARAMETERS
from atom.motion_formats.source_motion import SourceMotion
from atom.motion_formats.text_beside import read_text_file

# In the order in which a file is tried: what says most of itself first. Of the files of one motion, the first counts.
FORMATS: tuple[MotionFormat, ...] = (
    MDM,
    MOMASK,
    MOTIONGPT,
    MLD,
    KIMODO,
    HY_MOTION,
    SMPL_PARAMETERS,
    MOTION_272,
    FEATURE_ARRAYS,
    KIT_FEATURES,
    KIT_JOINTS,
    JOINT_ARRAYS,
    BVH,
)
SUFFIXES = (".npy", ".npz", ".pkl", ".bvh")
"""The suffixes of files that may hold motions."""


def find_format(name: str) -> MotionFormat:
    """The format of a name. AtomError that lists the names if there is none."""
    for form in FORMATS:
        if form.name == name:
            return form
    raise AtomError(f"no format is named {name!r}: it is one of {', '.join(form.name for form in FORMATS)}")


def recognise(path: str | Path) -> MotionFormat:
    """The format of a file, by its header and its name.

    Raises:
        AtomError: there is no such file, or it is of no known format; the message says what is in it.
    """
    return _recognise(FileFacts(path))


def _recognise(facts: FileFacts) -> MotionFormat:
    form = try_recognise(facts)
    if form is None:
        raise AtomError(f"{facts.path}: {describe_unknown(facts)}")
    return form


def try_recognise(facts: FileFacts) -> MotionFormat | None:
    """The format of a file; None if it is of none."""
    return next((form for form in FORMATS if form.recognises(facts)), None)


def read_sources(path: str | Path, form: MotionFormat | None = None) -> list[SourceMotion]:
    """The motions of a file as it holds them, before anything is done to them.

    Args:
        path: the file.
        form: its format; recognised if None.

    Returns:
        The motions; most formats hold one a file. Where the format says no text, a .txt of the same name does.

    Raises:
        AtomError: the file can't be read, or is of no known format.
    """
    facts = FileFacts(path)
    sources = list((form or _recognise(facts)).read(facts))
    if len(sources) == 1 and sources[0].text is None:
        sources = [replace(sources[0], text=read_text_file(facts.path.with_suffix(".txt")))]
    return sources


def read_converted(
    path: str | Path,
    settings: SourceSettings | None = None,
    form: MotionFormat | None = None,
    assumed_fps: float | None = None,
    number: int | None = None,
    defaults: FormatDefaults | None = None,
) -> ConvertedMotion:
    """One motion of a file of any format as HumanML3D's joints, with the record of what was done.

    Args:
        path: the file.
        settings: frame rate, axis and unit as the user gives them.
        form: the format; recognised if None.
        assumed_fps: the frame rate where nobody says it, which a remark tells. None asks instead.
        number: which motion of a file that holds several; None where it must hold one.
        defaults: what holds for plain joints, whose format says nothing.

    Returns:
        The motion.

    Raises:
        AtomError: the file can't be read, holds several motions and `number` names none, or `convert_motion` refuses.
    """
    facts = FileFacts(path)
    form = form or _recognise(facts)
    sources = form.read(facts)
    if number is None and len(sources) != 1:
        raise AtomError(f"{path}: holds {len(sources)} motions ({form.name}): `atom motions import` reads them all")
    known = defaults if defaults and form is JOINT_ARRAYS else form.defaults
    return convert_motion(sources[number or 0], known, settings, assumed_fps)


def describe_unknown(facts: FileFacts) -> str:
    """What is in a file that no reader takes, and what to do."""
    array = facts.array
    if array is not None:
        return f"holds an array {array.shape} of {array.dtype}, which is no motion that is known here: {_KNOWN}"
    if facts.arrays:
        shapes = ", ".join(f"{name} {found.shape}" for name, found in list(facts.arrays.items())[:8])
        return f"holds {shapes}, which is no motion that is known here: {_KNOWN}"
    if facts.suffix not in SUFFIXES:
        return f"is no {', '.join(SUFFIXES)}"
    return "is damaged or no file of motions, restore it"


_KNOWN = "`atom motions formats` lists what is"
