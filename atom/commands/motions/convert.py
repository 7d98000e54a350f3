"""`atom motions convert`: motions as .npy or .bvh."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from atom.commands.motions.output import print_rejected
from atom.errors import AtomError

_SUFFIXES = (".npy", ".npz", ".bvh")


def convert(
    source: Annotated[Path, typer.Argument(help="a .bvh, .npy or .npz, or a folder of them")],
    target: Annotated[Path, typer.Argument(help="the .npy or .bvh to write; for a folder, the folder to write")],
    features: Annotated[bool, typer.Option("--features", help="write features (T-1,263) instead of joints")] = False,
    bvh: Annotated[bool, typer.Option("--bvh", help="for a folder, write .bvh instead of .npy")] = False,
) -> None:
    """Convert motions to .npy or .bvh.

    A .npy has joints (T,22,3) in metres, Y up, at 20 fps, or HumanML3D's features.

    A .bvh has Mixamo's joint names and is in centimetres: import it into Blender at Scale 0.01.

    Exit status 1 when some files of a folder are not motions.
    """
    from atom.motion.motion_files import read_motion, write_motion

    if features and bvh:
        raise AtomError("a .bvh can't hold features: choose --features or --bvh")
    kind = "features" if features else "joints"
    console = Console()
    if not source.is_dir():
        if bvh and target.suffix != ".bvh":
            raise AtomError(f"{target}: --bvh writes a .bvh file, so the name must end in .bvh")
        joints = read_motion(source)
        write_motion(target, joints, kind)
        console.print(f"{target}: {len(joints)} frames, {len(joints) / 20:.1f} s", soft_wrap=True, markup=False)
        return
    files = sorted(file for file in source.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    if not files:
        raise AtomError(f"the folder {source} holds no {', '.join(_SUFFIXES)}")
    if target.resolve().is_relative_to(source.resolve()):
        raise AtomError(f"{target} lies in the source folder {source}: write to another folder")
    targets = {file: target / file.relative_to(source).with_suffix(".bvh" if bvh else ".npy") for file in files}
    if duplicates := [str(path) for path, number in Counter(targets.values()).items() if number > 1]:
        raise AtomError(f"several files would become {duplicates[0]}: convert them one by one")
    rejected = []
    for file in track(files, "converting", console=Console(stderr=True)):
        try:
            joints = read_motion(file)
            targets[file].parent.mkdir(parents=True, exist_ok=True)
            write_motion(targets[file], joints, kind)
        except AtomError as error:
            rejected.append((str(file.relative_to(source)), str(error)))
    console.print(
        f"{len(files) - len(rejected)} of {len(files)} motions written to {target}", soft_wrap=True, markup=False
    )
    if rejected:
        print_rejected(console, rejected)
        raise typer.Exit(1)
