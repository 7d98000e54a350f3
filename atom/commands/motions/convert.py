"""`atom motions convert`: motions in other formats."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import track

from atom.commands.motions.output import print_rejected
from atom.errors import AtomError

_SUFFIXES = (".npy", ".npz", ".bvh")

Target = Literal["joints", "features", "bvh", "glb", "amass"]
_WRITTEN: dict[str, str] = {"joints": ".npy", "features": ".npy", "bvh": ".bvh", "glb": ".glb", "amass": ".npz"}


def convert(
    source: Annotated[Path, typer.Argument(help="a .bvh, .npy or .npz, or a folder of them")],
    target: Annotated[Path, typer.Argument(help="the file to write; for a folder, the folder to write")],
    to: Annotated[
        Target | None, typer.Option(help="what to write; by the name of the file if not given, for a folder joints")
    ] = None,
    features: Annotated[bool, typer.Option("--features", hidden=True, help="the same as --to features")] = False,
    bvh: Annotated[bool, typer.Option("--bvh", hidden=True, help="the same as --to bvh")] = False,
) -> None:
    """Convert motions to .npy, .bvh, .glb or SMPL's parameters.

    joints: a .npy of (T,22,3) in metres, Y up, at 20 fps. features: a .npy of HumanML3D's (T-1,263).

    bvh: Mixamo's joint names, centimetres; import it into Blender at Scale 0.01.

    glb: a skinned body that moves, for web pages, Blender and game engines.

    amass: a .npz of SMPL-H parameters as AMASS has them, on the neutral body of mean shape.

    Exit status 1 when some files of a folder are not motions.
    """
    from atom.motion_formats.motion_files import read_motion, write_motion

    if features + bvh + (to is not None) > 1:
        raise AtomError("a motion is written in one form: choose --to, --features or --bvh")
    to = "features" if features else "bvh" if bvh else to
    kind = to if to in ("features", "amass") else "joints"
    console = Console()
    if not source.is_dir():
        if to and target.suffix != _WRITTEN[to]:
            raise AtomError(f"{target}: --to {to} writes a {_WRITTEN[to]} file, so the name must end in {_WRITTEN[to]}")
        if target.suffix == ".npz" and not to:
            raise AtomError(f"{target}: a .npz is written with SMPL's parameters: say --to amass, or name a .npy")
        joints = read_motion(source)
        write_motion(target, joints, kind)
        console.print(f"{target}: {len(joints)} frames, {len(joints) / 20:.1f} s", soft_wrap=True, markup=False)
        return
    files = sorted(file for file in source.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    if not files:
        raise AtomError(f"the folder {source} holds no {', '.join(_SUFFIXES)}")
    if target.resolve().is_relative_to(source.resolve()):
        raise AtomError(f"{target} lies in the source folder {source}: write to another folder")
    targets = {file: target / file.relative_to(source).with_suffix(_WRITTEN[to or "joints"]) for file in files}
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
