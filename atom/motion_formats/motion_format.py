"""What a format of motion files is: how it is recognised, what it says of its files, and its reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from atom.motion_formats.conversion import FormatDefaults
from atom.motion_formats.file_facts import FileFacts
from atom.motion_formats.source_motion import SourceMotion


@dataclass(frozen=True)
class MotionFormat:
    """One row of the table of formats.

    Attributes:
        defaults: its name, and the frame rate, upward axis and unit that hold for all of its files.
        written_by: the generators, datasets or programs that write it.
        recognised_by: what in a file or its name gives it away, a short phrase.
        skeleton: the joints, in words.
        recognises: whether a file is of this format; reads headers alone.
        read: the motions of a file, mostly one.
        motion_path: the name that all files of one motion share, such as x of x.npz and x_amass.npz, as a path.
    """

    defaults: FormatDefaults
    written_by: str
    recognised_by: str
    skeleton: str
    recognises: Callable[[FileFacts], bool]
    read: Callable[[FileFacts], Sequence[SourceMotion]]
    motion_path: Callable[[Path], Path] = lambda path: path.with_suffix("")

    @property
    def name(self) -> str:
        return self.defaults.name
