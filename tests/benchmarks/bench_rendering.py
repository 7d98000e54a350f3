"""How fast motions are drawn and encoded on one core, beside a plain matplotlib skeleton.

Run `python tests/benchmarks/bench_rendering.py`. Absolute numbers depend on the machine, the ratios less so.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np

from atom.motion.skeleton import CHAINS, PARENTS, TARGET_OFFSETS
from atom.rendering import contact_sheet, render_frames, write_frames, write_video

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
        for chain in CHAINS:
            axis.plot(*frame[list(chain)][:, [0, 2, 1]].T, linewidth=4)
        figure.canvas.draw()
        np.asarray(figure.canvas.buffer_rgba())
    pyplot.close(figure)


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The best of some runs: what the machine can do when nobody disturbs it."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    joints = walking_body()
    first = seconds(lambda: next(render_frames(joints, [0], SIZE)), repeats=1)
    frames = list(render_frames(joints, size=SIZE))
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        drawing = seconds(lambda: sum(1 for _ in render_frames(joints, size=SIZE)))
        encoding = seconds(lambda: write_frames(clip, frames))
        both = seconds(lambda: write_video(clip, joints, SIZE))
        sheet = seconds(lambda: contact_sheet(joints))
        plain = seconds(lambda: draw_with_matplotlib(joints[:20]), repeats=1) / 20 * FRAMES
    print(f"{FRAMES} frames at {SIZE} x {SIZE}; the first frame took {first:.1f} s (compiled once, then cached)")
    rows = {"matplotlib skeleton": plain, "draw": drawing, "encode": encoding, "draw and encode": both}
    for name, took in rows.items():
        print(f"{name:20} {FRAMES / took:7.1f} frames/s   {plain / took:5.1f} x matplotlib")
    print(f"draw and encode, as a share of the encoder's own speed: {encoding / both:.2f}")
    print(f"{'contact sheet':20} {sheet * 1000:7.0f} ms for {len(range(0, FRAMES, 8))} cells")


if __name__ == "__main__":
    main()
