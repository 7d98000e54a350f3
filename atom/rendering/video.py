"""Clips: mp4 that plays in every browser through ffmpeg, and GIF or animated WebP for pages that take only pictures."""

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
from atom.rendering.labels import render_caption_strip

SUFFIXES = (".mp4", ".gif", ".webp")
_GAP = 2  # pixels between panes
_PIPE_BYTES = 1 << 20  # the most that Linux gives to anyone
_REMEDY = "set IMAGEIO_FFMPEG_EXE to an ffmpeg that has libx264"


def write_video(path: str | Path, joints: np.ndarray, size: int = 512, fps: float = FPS, view: View = "follow") -> None:
    """Write a motion as a clip; the suffix of `path` (.mp4, .gif or .webp) says which kind.

    Args:
        path: the file to write; its folder must exist. It appears whole or not at all.
        joints: (T, 22, 3) in metres; each frame is shown once.
        size: pixels of the picture's side; an mp4 with an odd size loses its last row and column.
        fps: frames a second that the clip plays at.
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
    """Write motions beside each other, each under its label; a shorter one holds its last frame.

    Args:
        path: as in `write_video`.
        panes: (label, joints (T, 22, 3)) from left to right and from top to bottom.
        size: pixels of a pane's side.
        columns: panes a row; by default the grid is about square with few empty places.
        title: stands above all panes, such as the text that they follow.
        fps: frames a second that the clip plays at.
        view: as in `render_frames`.

    Raises:
        AtomError: as in `write_video`, or there is no pane.
    """
    write_frames(path, render_grid(panes, size, columns, title, view), fps)


def render_grid(
    panes: Sequence[tuple[str, np.ndarray]],
    size: int = 384,
    columns: int | None = None,
    title: str = "",
    view: View = "follow",
) -> Iterator[np.ndarray]:
    """The frames of `write_grid`, (H, W, 3) uint8: panes of `size` and a label, 2 pixels apart, below the title."""
    if not panes:
        raise AtomError("a clip of motions beside each other needs at least one motion")
    if columns is not None and columns < 1:
        raise AtomError(f"a grid needs at least one column, not {columns}")
    motions = [check_joints(joints) for _, joints in panes]
    length = max(len(joints) for joints in motions)
    drawn = [render_frames(joints, size=size, view=view) for joints in motions]
    columns = min(columns or choose_columns(len(panes)), len(panes))
    rows = -(-len(panes) // columns)
    strip = max(18, 2 * round(size * 0.035))
    step_x, step_y = size + _GAP, strip + size + _GAP
    top = strip + _GAP if title else 0
    width, height = columns * step_x - _GAP, top + rows * step_y - _GAP
    empty = np.full((height, width, 3), 255, np.uint8)
    if title:
        empty[:strip] = np.asarray(render_caption_strip(width, strip, title))
    corners = [(top + i // columns * step_y, i % columns * step_x) for i in range(len(panes))]
    for (row, column), (label, _) in zip(corners, panes):
        empty[row : row + strip, column : column + size] = np.asarray(render_caption_strip(size, strip, label))

    def frames() -> Iterator[np.ndarray]:
        for _ in range(length):
            for (row, column), pictures in zip(corners, drawn):
                picture = next(pictures, None)
                if picture is not None:
                    empty[row + strip : row + strip + size, column : column + size] = picture
            yield empty.copy()

    return frames()


def write_frames(path: str | Path, frames: Iterable[np.ndarray], fps: float = FPS) -> None:
    """Write pictures (H, W, 3) uint8 of one size as a clip; see `write_video`."""
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
    write = _write_mp4 if path.suffix.lower() == ".mp4" else _write_animation
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}.unfinished{path.suffix}")
    try:
        write(unfinished, frames, fps)
        unfinished.replace(path)
    except OSError as error:
        raise AtomError(f"can't write {str(path)!r}: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def find_ffmpeg() -> str:
    """The ffmpeg to run: what IMAGEIO_FFMPEG_EXE names, else the system's, else the one that imageio-ffmpeg ships."""
    return os.environ.get("IMAGEIO_FFMPEG_EXE") or shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()


def _write_mp4(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    first = next(frames)
    height, width = first.shape[:2]
    stream = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", framerate=fps)
    if width % 2 or height % 2:  # yuv420p halves the colour planes
        stream = stream.crop(0, 0, width - width % 2, height - height % 2)
    # One thread and no build stamps: the same frames give the same file, and shards run beside each other anyway.
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
    with tempfile.TemporaryFile() as errors:  # a file can't fill up and block, as a pipe would
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors)
        except OSError as error:
            raise AtomError(f"can't start ffmpeg {executable!r}: {error.strerror}; {_REMEDY}") from error
        _widen(process.stdin)
        try:
            for frame in chain([first], frames):
                process.stdin.write(np.ascontiguousarray(frame))
        except BrokenPipeError:
            pass  # ffmpeg gave up: its status and its own words, read below, tell why
        except BaseException:
            process.kill()
            raise
        finally:
            with suppress(BrokenPipeError):  # closing flushes
                process.stdin.close()
            process.wait()
        if process.returncode:
            errors.seek(0)
            words = " | ".join(errors.read().decode(errors="replace").strip().splitlines()[-3:])
            status = process.returncode
            raise AtomError(f"ffmpeg {executable!r} failed with status {status}: {words or 'no message'}; {_REMEDY}")


def _widen(pipe: IO[bytes]) -> None:
    """Room for a whole frame in the pipe, so that drawing and encoding seldom wait for each other."""
    with suppress(ImportError, AttributeError, OSError):  # only Linux can, and only while the user's share lasts
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _write_animation(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    pictures = [Image.fromarray(frame) for frame in frames]
    options = {"save_all": True, "loop": 0, "duration": round(1000 / fps)}
    if path.suffix.lower() == ".webp":
        pictures[0].save(path, append_images=pictures[1:], quality=72, method=4, **options)
        return
    # One palette for all frames, or their colours flicker.
    chosen = pictures[:: max(1, len(pictures) // 8)]
    samples = Image.fromarray(np.concatenate([np.asarray(picture) for picture in chosen]))
    palette = samples.quantize(160, Image.Quantize.MEDIANCUT)
    indexed = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    indexed[0].save(path, append_images=indexed[1:], optimize=False, **options)
