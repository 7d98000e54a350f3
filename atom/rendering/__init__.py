"""Rendering of motions in software as frames, contact sheets and video clips; the pixels are the same on every run."""

from typing import TYPE_CHECKING

from atom.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from atom.rendering.contact_sheet import render_contact_sheet
    from atom.rendering.frames import check_joints, render_frames
    from atom.rendering.video import find_ffmpeg, render_grid, write_frames, write_grid, write_video
    from atom.rendering.viewer import ViewedMotion, render_viewer, render_viewer_page, viewer_assets

__all__, __getattr__, __dir__ = lazy_exports(__name__)
