"""Rendering of motions in software as frames, contact sheets and video clips; the pixels are the same on every run."""

from atom.rendering.contact_sheet import render_contact_sheet
from atom.rendering.frames import check_joints, render_frames
from atom.rendering.video import find_ffmpeg, render_grid, write_frames, write_grid, write_video

__all__ = [
    "check_joints",
    "find_ffmpeg",
    "render_contact_sheet",
    "render_frames",
    "render_grid",
    "write_frames",
    "write_grid",
    "write_video",
]
