"""Draws and encodes very many short clips in one process: its memory, open files and children must not grow.

Run `python tests/benchmarks/soak_rendering.py [clips]`; 10,000 by default. Ends with status 1 if something grows.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from atom.corpus.composition import make_motion
from atom.corpus.corpus_shards import draw_events
from atom.errors import AtomError
from atom.rendering import render_contact_sheet, write_video

FRAMES, SIZE = 16, 64
MOST_GROWTH = 8e6  # bytes, over the last nine tenths of the clips


@dataclass(frozen=True)
class Held:
    memory: int
    files: int
    children: int

    @staticmethod
    def now() -> Held:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return Held(pages * os.sysconf("SC_PAGE_SIZE"), len(list(Path("/proc/self/fd").iterdir())), len(children))


def motions() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    while True:
        try:
            yield make_motion(draw_events(rng), rng).joints[:FRAMES]
        except AtomError:  # these events don't fit into the longest clip
            continue


def main(clips: int) -> int:
    began, first = time.monotonic(), Held.now()
    with tempfile.TemporaryDirectory(prefix="atom-soak-") as folder:
        source = motions()
        for number in track(range(clips), "drawing", console=Console(stderr=True)):
            joints = next(source)
            write_video(Path(folder) / "clip.mp4", joints, SIZE)
            render_contact_sheet(joints, size=SIZE).save(Path(folder) / "sheet.jpg")
            if number == clips // 10:
                first = Held.now()
        left = sorted(path.name for path in Path(folder).iterdir())
    last, minutes = Held.now(), (time.monotonic() - began) / 60
    print(
        f"{clips} clips in {minutes:.1f} min; memory after a tenth {first.memory / 1e6:.1f} MB, at the end "
        f"{last.memory / 1e6:.1f} MB; open files {first.files} and {last.files}; children {first.children} and "
        f"{last.children}; files left behind {len(left) - 2}"
    )
    grew = last.memory - first.memory > MOST_GROWTH or last.files > first.files or last.children > first.children
    return 1 if grew or left != ["clip.mp4", "sheet.jpg"] else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
