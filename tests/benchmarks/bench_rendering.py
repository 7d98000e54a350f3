"""How fast motions are drawn and encoded on one core, beside a plain matplotlib skeleton.

Run `python tests/benchmarks/bench_rendering.py`. Absolute numbers depend on the machine, the ratios less so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
from measuring import Figure, in_turn, main

from atom.motion.skeleton import KINEMATIC_CHAINS, PARENTS, TARGET_OFFSETS
from atom.rendering import render_contact_sheet, render_frames, write_frames, write_video

FRAMES, SIZE = 196, 512


def walking_body() -> np.ndarray:
    """(196, 22, 3): the rest pose, its limbs swinging, moving ahead at 1.2 m/s."""
    phase = np.arange(FRAMES) * 2 * np.pi / 20
    joints = np.zeros((FRAMES, 22, 3))
    for joint, parent in enumerate(PARENTS[1:], start=1):
        angle = 0.4 * np.sin(phase + np.pi * (joint % 2)) if TARGET_OFFSETS[joint, 1] < 0 else np.zeros(FRAMES)
        x, y, z = TARGET_OFFSETS[joint]
        turned = [np.full(FRAMES, x), y * np.cos(angle) - z * np.sin(angle), y * np.sin(angle) + z * np.cos(angle)]
        joints[:, joint] = joints[:, parent] + np.stack(turned, axis=1)
    joints[:, :, 1] -= joints[:, :, 1].min()
    joints[:, :, 2] += np.arange(FRAMES)[:, None] * 0.06
    return joints


def draw_with_matplotlib(joints: np.ndarray) -> None:
    """What the peers do: five lines in a 3D axis, redrawn for every frame."""
    matplotlib.use("agg")
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(SIZE / 100, SIZE / 100), dpi=100)
    axis = figure.add_subplot(projection="3d")
    for frame in joints:
        axis.clear()
        middle = frame[0]
        axis.set(xlim=middle[0] + [-1, 1], ylim=middle[2] + [-1, 1], zlim=(0, 2))
        for chain in KINEMATIC_CHAINS:
            axis.plot(*frame[list(chain)][:, [0, 2, 1]].T, linewidth=4)
        figure.canvas.draw()
        np.asarray(figure.canvas.buffer_rgba())
    pyplot.close(figure)


def measure(_device: str) -> Iterator[Figure]:
    joints = walking_body()
    frames = list(render_frames(joints, size=SIZE))
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        drawing, encoding, both, sheet, plain = in_turn(
            lambda: sum(1 for _ in render_frames(joints, size=SIZE)),
            lambda: write_frames(clip, frames),
            lambda: write_video(clip, joints, SIZE),
            lambda: render_contact_sheet(joints),
            lambda: draw_with_matplotlib(joints[:10]),
            repeats=3,
        )
    yield Figure(
        f"drawing, {SIZE} x {SIZE}", "frames/s", FRAMES / drawing, 10 / plain, "matplotlib's plain skeleton", 10
    )
    yield Figure(
        "drawing and encoding",
        "frames/s",
        FRAMES / both,
        wanted=150,
        limit=FRAMES / encoding,
        limit_by="the encoder alone, which runs beside the drawing",
    )
    yield Figure("contact sheet of 25 frames", "sheets/s", 1 / sheet, wanted=10)


if __name__ == "__main__":
    main(measure, __doc__)
