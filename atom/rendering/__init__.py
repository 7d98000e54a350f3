"""Pictures of motions: frames, contact sheets and clips, drawn in software and the same on every run."""

from atom.rendering.frames import check_joints, render_frames
from atom.rendering.sheet import contact_sheet
from atom.rendering.video import find_ffmpeg, grid, write_frames, write_grid, write_video

__all__ = [
    "check_joints",
    "contact_sheet",
    "find_ffmpeg",
    "grid",
    "render_frames",
    "write_frames",
    "write_grid",
    "write_video",
]
