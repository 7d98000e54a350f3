"""How fast the motions of a folder are imported on one core, with resampling, and what that takes of memory.

Run `python tests/benchmarks/bench_formats.py`; `--clips 100000` measures the memory of that many. Each clip has 300
frames, and the time is that of the processor from the listing of the folder to the index of the new set.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measuring import Figure, main

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from atom.external.importing import import_motions
from atom.external.motion_set import read_motion_set
from atom.motion_formats.conversion import SourceSettings
from atom.motion_formats.skeletons import SOMA_77
from atom.motion_formats.writers.bvh_writer import write_bvh
from tests.motion_formats import source_files

FRAMES, SOURCE_FPS, CLIPS, REPEATS = 300, 30, 64, 5
MEMORY_CLIPS, FILES_A_FOLDER = 5000, 1000
CLIPS_A_MEGABYTE = 500  # 200 MB for 100,000 clips


def write_arrays(folder: Path) -> None:
    """Joints at 30 fps, which the user says."""
    joints = source_files.joints_at(np.arange(FRAMES) / SOURCE_FPS)
    for clip in range(CLIPS):
        (folder / f"{clip:05d}_in.txt").write_text(f"a person walks forward, {clip}")
        np.save(folder / f"{clip:05d}_out.npy", joints.astype(np.float32))


def write_smpl(folder: Path) -> None:
    poses, trans = source_files.smpl_parameters(SOURCE_FPS, z_up=True)
    for clip in range(CLIPS):
        (folder / f"{clip:05d}.txt").write_text(f"a person walks forward, {clip}")
        np.savez(folder / f"{clip:05d}.npz", poses=poses, trans=trans, mocap_framerate=SOURCE_FPS, gender="neutral")


def write_kimodo(folder: Path) -> None:
    arrays = source_files.soma_arrays(SOMA_77, SOURCE_FPS)
    for clip in range(CLIPS):
        place = folder / f"{clip:05d}"
        place.mkdir()
        source_files.write_json(place / "meta.json", {"text": f"a person walks forward, {clip}", "duration": 10.0})
        np.savez(place / "motion.npz", **arrays)


def write_bvhs(folder: Path) -> None:
    """BVH at 30 fps: what our writer gives at 20, with another frame time."""
    write_bvh(folder / "00000.bvh", source_files.joints_at(np.arange(FRAMES) / SOURCE_FPS))
    text, changes = re.subn(r"Frame Time: \S+", f"Frame Time: {1 / SOURCE_FPS:.7f}", (folder / "00000.bvh").read_text())
    assert changes == 1
    for clip in range(CLIPS):
        (folder / f"{clip:05d}.txt").write_text(f"a person walks forward, {clip}")
        (folder / f"{clip:05d}.bvh").write_text(text)


SOURCES = {
    "joint arrays": (write_arrays, SourceSettings(fps=SOURCE_FPS), 1000),
    "SMPL parameters": (write_smpl, SourceSettings(), 200),
    "Kimodo": (write_kimodo, SourceSettings(), 100),
    "BVH": (write_bvhs, SourceSettings(), 60),
}


def import_folder(source: Path, settings: SourceSettings, target: Path) -> int:
    return import_motions(read_motion_set(source, settings=settings), target).written


def import_rate(source: Path, settings: SourceSettings, folder: Path) -> float:
    """Clips a second of processor time, the best of several runs; the first compiles and doesn't count."""
    times = []
    for repeat in range(REPEATS + 1):
        began = time.process_time()
        written = import_folder(source, settings, folder / str(repeat))
        times.append(time.process_time() - began)
        assert written == CLIPS
    return CLIPS / min(times[1:])


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def measure_growth(source: Path, target: Path) -> float:
    """Megabytes by which the process grows from a tenth of an import to its end."""
    motions = read_motion_set(source, settings=SourceSettings(fps=SOURCE_FPS))
    early = len(motions.entries) // 10
    sizes = {}
    import_motions(motions, target, lambda done: sizes.update({done: resident_megabytes()}) if done == early else None)
    return resident_megabytes() - sizes[early]


def clips_a_megabyte(folder: Path, clips: int) -> float:
    """Of an import of many short clips, in a process of its own; those of a folder are links to one file."""
    source = folder / "source"
    source.mkdir()
    joints = source_files.joints_at(np.arange(30) / SOURCE_FPS).astype(np.float32)
    for clip in range(clips):
        place = source / f"{clip // FILES_A_FOLDER:04d}"
        if clip % FILES_A_FOLDER == 0:
            place.mkdir()
            first = place / f"{clip}_out.npy"
            np.save(first, joints)
        else:
            os.link(first, place / f"{clip}_out.npy")
        (place / f"{clip}_in.txt").write_text(f"a person walks forward, {clip}")
    command = [sys.executable, __file__, "--growth", str(source), str(folder / "target")]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return clips * 0.9 / max(float(told.stdout), 1.0)


def measure(_: str) -> Iterator[Figure]:
    for name, (write, settings, wanted) in SOURCES.items():
        with tempfile.TemporaryDirectory() as place:
            source = Path(place, "source")
            source.mkdir()
            write(source)
            rate = import_rate(source, settings, Path(place))
        yield Figure(f"{name} of {FRAMES} frames at {SOURCE_FPS} fps -> imported", "clips/s", rate, wanted=wanted)
    with tempfile.TemporaryDirectory() as place:
        least = clips_a_megabyte(Path(place), MEMORY_CLIPS)
        yield Figure("import, growth of memory", "clips/MB", least, wanted=CLIPS_A_MEGABYTE)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--growth"]:
        print(measure_growth(Path(sys.argv[2]), Path(sys.argv[3])))
    elif sys.argv[1:2] == ["--clips"]:
        with tempfile.TemporaryDirectory() as name:
            print(f"{clips_a_megabyte(Path(name), int(sys.argv[2])):.0f} clips/MB")
    else:
        main(measure, __doc__)
