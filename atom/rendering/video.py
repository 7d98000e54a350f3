"""Video clips: mp4 through ffmpeg, which plays in every browser, and GIF or animated WebP for pages without video."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import IO

import ffmpeg
import imageio_ffmpeg
import numpy as np
from PIL import Image

from atom.config import View
from atom.errors import AtomError
from atom.motion.skeleton import FPS
from atom.rendering.contact_sheet import choose_columns
from atom.rendering.frames import check_joints, render_frames
from atom.rendering.text_labels import render_caption_strip

SUFFIXES = (".mp4", ".gif", ".webp")
_GAP = 2  # pixels between panes
_PIPE_BYTES = 1 << 20  # the largest pipe buffer that Linux allows an unprivileged process by default
_REMEDY = "set IMAGEIO_FFMPEG_EXE to an ffmpeg that has libx264"


def write_video(path: str | Path, joints: np.ndarray, size: int = 512, fps: float = FPS, view: View = "follow") -> None:
    """Write a motion as a video clip; the suffix of `path` (.mp4, .gif or .webp) chooses the format.

    Args:
        path: the file to write; its folder must exist. It appears whole or not at all.
        joints: (T, 22, 3) in metres; every frame is drawn once.
        size: pixels of the picture's side; an mp4 with an odd size loses its last row and column.
        fps: playback rate in frames a second.
        view: as in `render_frames`.

    Raises:
        AtomError: the joints can't be drawn, the suffix is unknown, the folder is missing, or ffmpeg fails.
    """
    write_frames(path, render_frames(joints, size=size, view=view), fps)


def write_grid(
    path: str | Path,
    panes: Sequence[tuple[str, np.ndarray]],
    size: int = 384,
    columns: int | None = None,
    title: str = "",
    fps: float = FPS,
    view: View = "follow",
) -> None:
    """Write motions side by side into one clip, each under its label; a shorter motion holds its last frame.

    Args:
        path: as in `write_video`.
        panes: (label, joints (T, 22, 3)) from left to right and from top to bottom.
        size: pixels of a pane's side.
        columns: panes a row; by default `choose_columns` decides.
        title: a line above all panes, such as the prompt.
        fps: playback rate in frames a second.
        view: as in `render_frames`.

    Raises:
        AtomError: as in `write_video`, or `panes` is empty.
    """
    write_frames(path, render_grid(panes, size, columns, title, view), fps)


def render_grid(
    panes: Sequence[tuple[str, np.ndarray]],
    size: int = 384,
    columns: int | None = None,
    title: str = "",
    view: View = "follow",
) -> Iterator[np.ndarray]:
    """Draw the frames of a grid of motions.

    Args:
        panes: (label, joints (T, 22, 3)) from left to right and from top to bottom.
        size: pixels of a pane's side; its label stands above it.
        columns: panes a row; by default `choose_columns` decides.
        title: a line above all panes.
        view: as in `render_frames`.

    Returns:
        Pictures (H, W, 3) uint8, as many as the longest motion has frames.

    Raises:
        AtomError: `panes` is empty, `columns` is below 1, or joints can't be drawn.
    """
    if not panes:
        raise AtomError("a grid of motions needs at least one motion")
    if columns is not None and columns < 1:
        raise AtomError(f"a grid needs at least one column, not {columns}")
    motions = [check_joints(joints) for _, joints in panes]
    length = max(len(joints) for joints in motions)
    renderers = [render_frames(joints, size=size, view=view) for joints in motions]
    columns = min(columns or choose_columns(len(panes)), len(panes))
    rows = -(-len(panes) // columns)
    strip = max(18, 2 * round(size * 0.035))
    step_x, step_y = size + _GAP, strip + size + _GAP
    top = strip + _GAP if title else 0
    width, height = columns * step_x - _GAP, top + rows * step_y - _GAP
    canvas = np.full((height, width, 3), 255, np.uint8)
    if title:
        canvas[:strip] = np.asarray(render_caption_strip(width, strip, title))
    corners = [(top + i // columns * step_y, i % columns * step_x) for i in range(len(panes))]
    for (row, column), (label, _) in zip(corners, panes):
        canvas[row : row + strip, column : column + size] = np.asarray(render_caption_strip(size, strip, label))

    def frames() -> Iterator[np.ndarray]:
        for _ in range(length):
            for (row, column), renderer in zip(corners, renderers):
                picture = next(renderer, None)
                if picture is not None:
                    canvas[row + strip : row + strip + size, column : column + size] = picture
            yield canvas.copy()

    return frames()


def write_frames(path: str | Path, frames: Iterable[np.ndarray], fps: float = FPS) -> None:
    """Write pictures as a video clip.

    Args:
        path: as in `write_video`.
        frames: (H, W, 3) uint8, all of one size.
        fps: playback rate in frames a second.

    Raises:
        AtomError: there is no frame, or as in `write_video`.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise AtomError(f"can't write a clip to {path.name!r}: its name must end in {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise AtomError(f"can't write {path.name!r}: the folder {str(path.parent)!r} does not exist; create it first")
    if fps <= 0:
        raise AtomError(f"a clip can't play at {fps} frames a second; give a number above 0")
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise AtomError(f"can't write {path.name!r}: a clip needs at least one frame")
    frames = chain([first], frames)
    write_format = _write_mp4 if path.suffix.lower() == ".mp4" else _write_animation
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}.unfinished{path.suffix}")
    try:
        write_format(unfinished, frames, fps)
        unfinished.replace(path)
    except OSError as error:
        raise AtomError(f"can't write {str(path)!r}: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def find_ffmpeg() -> str:
    """Find the ffmpeg that writes mp4.

    Returns:
        The path that IMAGEIO_FFMPEG_EXE names, else the system's, else that of the one that imageio-ffmpeg ships.
    """
    return os.environ.get("IMAGEIO_FFMPEG_EXE") or shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()


def _write_mp4(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    first = next(frames)
    height, width = first.shape[:2]
    stream = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", framerate=fps)
    if width % 2 or height % 2:  # yuv420p halves the colour planes, so sides must be even
        stream = stream.crop(0, 0, width - width % 2, height - height % 2)
    # One thread and no build stamps make the file reproducible; shards run in parallel anyway.
    stream = stream.output(
        str(path),
        vcodec="libx264",
        pix_fmt="yuv420p",
        preset="veryfast",
        crf=20,
        threads=1,
        movflags="+faststart",
        fflags="+bitexact",
        **{"flags:v": "+bitexact", "loglevel": "error"},
    )
    executable = find_ffmpeg()
    command = ffmpeg.compile(stream, cmd=executable, overwrite_output=True)
    with tempfile.TemporaryFile() as errors:  # a pipe that nobody reads would fill up and block ffmpeg
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors)
        except OSError as error:
            raise AtomError(f"can't start ffmpeg {executable!r}: {error.strerror}; {_REMEDY}") from error
        _enlarge_pipe_buffer(process.stdin)
        try:
            for frame in chain([first], frames):
                process.stdin.write(np.ascontiguousarray(frame))
        except BrokenPipeError:
            pass  # ffmpeg stopped: its status and its messages, read below, say why
        except BaseException:
            process.kill()
            raise
        finally:
            with suppress(BrokenPipeError):  # closing flushes, into a pipe that may be broken
                process.stdin.close()
            process.wait()
        if process.returncode:
            errors.seek(0)
            message = " | ".join(errors.read().decode(errors="replace").strip().splitlines()[-3:])
            status = process.returncode
            raise AtomError(f"ffmpeg {executable!r} failed with status {status}: {message or 'no message'}; {_REMEDY}")


def _enlarge_pipe_buffer(pipe: IO[bytes]) -> None:
    """Make room for a whole frame in the pipe, so that drawing and encoding rarely wait for each other."""
    with suppress(ImportError, AttributeError, OSError):  # only Linux can, and only within the user's pipe quota
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _write_animation(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    pictures = [Image.fromarray(frame) for frame in frames]
    options = {"save_all": True, "loop": 0, "duration": round(1000 / fps)}
    if path.suffix.lower() == ".webp":
        pictures[0].save(path, append_images=pictures[1:], quality=72, method=4, **options)
        return
    # Colours would flicker if each frame had its own palette.
    sampled = pictures[:: max(1, len(pictures) // 8)]
    palette_source = Image.fromarray(np.concatenate([np.asarray(picture) for picture in sampled]))
    palette = palette_source.quantize(160, Image.Quantize.MEDIANCUT)
    indexed = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    indexed[0].save(path, append_images=indexed[1:], optimize=False, **options)
