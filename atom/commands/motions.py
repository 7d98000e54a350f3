"""`atom motions`: motions of any generator, checked, converted, drawn and made for our prompts."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from atom.config import View
from atom.config.base import VIEW_HELP
from atom.errors import AtomError

if TYPE_CHECKING:
    from atom.external.motion_generator import MotionGenerator
    from atom.external.motion_set import ExternalMotionSet

motions_app = typer.Typer(
    help="Motions that were made elsewhere: check them, convert them, draw them, make them for our prompts.",
    no_args_is_help=True,
)
_SHOWN = 20  # faults that are listed
_FILES = (".npy", ".npz", ".bvh")


@motions_app.command()
def check(
    path: Annotated[Path, typer.Argument(help="a folder with an index, a .jsonl, .csv or .parquet, MDM's results.npy")],
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object, with every fault")] = False,
) -> None:
    """Say what is in a set of motions and what can't be used. Exit status 1 when nothing can."""
    from atom.external.motion_set import prompts_of, read_motion_set

    errors = Console(stderr=True)
    with errors.status("reading the index") as status:
        made = read_motion_set(path, lambda rows: status.update(f"reading the index: {rows:,} rows"))
    prompts, without_prompt = prompts_of(made)
    frames, faults = _lengths(made, errors)
    asked = {prompt.prompt_id: prompt for prompt in prompts}
    usable = [entry for entry in made.entries if entry.prompt_id in asked and entry.where in frames]
    used = [asked[prompt_id] for prompt_id in dict.fromkeys(entry.prompt_id for entry in usable)]
    lengths = sorted(frames[entry.where] for entry in usable)
    found = {
        "origin": made.origin,
        "motions": len(usable),
        "prompts": len(used),
        "tasks": dict(Counter(prompt.task for prompt in used)),
        "splits": dict(Counter(prompt.split for prompt in used)),
        "samples": _ends(Counter(entry.prompt_id for entry in usable).values()),
        "frames": _ends(lengths) | ({"median": lengths[len(lengths) // 2]} if lengths else {}),
        "with_tokens": sum(bool(entry.tokens) for entry in usable),
        "quarantined": [
            {"what": what, "where": where, "reason": reason}
            for what, rows in (("row", made.quarantined), ("prompt", without_prompt), ("motion", faults))
            for where, reason in rows
        ],
    }
    if as_json:
        print(json.dumps(found))
    else:
        _show(found)
    if not usable:
        raise typer.Exit(1)


@motions_app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="a .bvh, .npy or .npz, or a folder of them")],
    target: Annotated[Path, typer.Argument(help="the .npy or .bvh to write, or a folder for those of a folder")],
    features: Annotated[bool, typer.Option("--features", help="write features (T-1,263) instead of joints")] = False,
    bvh: Annotated[bool, typer.Option("--bvh", help="of a folder, write .bvh instead of .npy")] = False,
) -> None:
    """Write motions as .npy, joints (T,22,3) in metres, Y up, 20 fps, or HumanML3D's features; or as .bvh.

    A .bvh has Mixamo's joint names and is in centimetres: import it into Blender at Scale 0.01.

    Exit status 1 when some files of a folder were no motion."""
    from atom.motion.motion_files import read_motion, write_motion

    if features and bvh:
        raise AtomError("a .bvh holds no features: choose --features or --bvh")
    kind = "features" if features else "joints"
    console = Console()
    if not source.is_dir():
        if bvh and target.suffix != ".bvh":
            raise AtomError(f"{target}: --bvh writes a .bvh, give a name that ends so")
        joints = read_motion(source)
        write_motion(target, joints, kind)
        console.print(f"{target}: {len(joints)} frames, {len(joints) / 20:.1f} s", soft_wrap=True, markup=False)
        return
    files = sorted(file for file in source.rglob("*") if file.suffix.lower() in _FILES and file.is_file())
    if not files:
        raise AtomError(f"the folder {source} holds no {', '.join(_FILES)}")
    if target.resolve().is_relative_to(source.resolve()):
        raise AtomError(f"{target} lies in {source}, whose files are read: write to another folder")
    targets = {file: target / file.relative_to(source).with_suffix(".bvh" if bvh else ".npy") for file in files}
    if twice := [str(path) for path, number in Counter(targets.values()).items() if number > 1]:
        raise AtomError(f"several files would become {twice[0]}: convert them one by one")
    faults = []
    for file in track(files, "converting", console=Console(stderr=True)):
        try:
            joints = read_motion(file)
            targets[file].parent.mkdir(parents=True, exist_ok=True)
            write_motion(targets[file], joints, kind)
        except AtomError as error:
            faults.append((str(file.relative_to(source)), str(error)))
    console.print(
        f"{len(files) - len(faults)} of {len(files)} motions written to {target}", soft_wrap=True, markup=False
    )
    if faults:
        _show_faults(console, faults)
        raise typer.Exit(1)


@motions_app.command()
def render(
    sources: Annotated[list[Path], typer.Argument(help=".npy, .npz or .bvh files")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help=".mp4, .gif or .webp: a clip of all; .png or .jpg: a contact sheet")
    ],
    view: Annotated[View, typer.Option(help=VIEW_HELP)] = "follow",
    size: Annotated[int | None, typer.Option(min=64, max=1024, help="pixels of a frame's side")] = None,
    columns: Annotated[int | None, typer.Option(min=1, help="motions, or frames of a sheet, in a row")] = None,
    every: Annotated[int, typer.Option(min=1, help="a sheet shows every n-th frame")] = 8,
    title: Annotated[str, typer.Option(help="stands above several motions")] = "",
) -> None:
    """Draw motions: one as a clip or a contact sheet, several beside each other under their file names."""
    from atom.motion.motion_files import read_motion
    from atom.rendering import render_contact_sheet, write_grid, write_video

    motions = [(label, read_motion(source)) for label, source in zip(_labels(sources), sources)]
    if output.suffix.lower() in (".png", ".jpg", ".jpeg"):
        if len(motions) > 1:
            raise AtomError(f"a contact sheet shows one motion, not {len(motions)}: name a .mp4 for all of them")
        sheet = render_contact_sheet(motions[0][1], every, size or 224, columns, view=view)
        try:
            sheet.save(output)
        except OSError as error:
            raise AtomError(f"can't write {output}: {error.strerror or error}") from error
    elif len(motions) == 1 and not title:
        write_video(output, motions[0][1], size or 512, view=view)
    else:
        write_grid(output, motions, size or 384, columns, title, view=view)
    Console().print(str(output), soft_wrap=True, markup=False)


@motions_app.command()
def view(
    sources: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="a .bvh, .npy or .npz; several stand beside each other")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="the .html to write")],
    title: Annotated[str | None, typer.Option(help="what stands above; else the names of the files")] = None,
) -> None:
    """Write a page to turn motions, scrub through them and slow them down. It works offline, in any browser."""
    from atom.atomic_write import write_atomically
    from atom.motion.motion_files import read_motion
    from atom.motion.skeleton import FPS
    from atom.rendering.viewer import ViewedMotion, render_viewer_page

    if output.suffix.lower() not in (".html", ".htm"):
        raise AtomError(f"{output}: a page is written as .html, give a name that ends in .html")
    if not output.parent.is_dir():
        raise AtomError(f"the folder {output.parent} of {output.name} does not exist; make it first")
    motions = []
    for source, label in zip(sources, _labels(sources)):
        joints = read_motion(source)
        motions.append(ViewedMotion(label, joints, f"{len(joints)} frames, {len(joints) / FPS:.1f} s"))
    page = render_viewer_page(motions, title or ", ".join(motion.label for motion in motions))
    try:
        write_atomically(output, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    except OSError as error:
        raise AtomError(f"{output}: can't be written ({error.strerror}), choose another place") from None
    told = "one motion" if len(motions) == 1 else f"{len(motions)} motions side by side"
    Console().print(f"{output}: {told}, {len(page) / 1e3:.0f} kB", soft_wrap=True, markup=False)


@motions_app.command()
def prompts(
    output: Annotated[Path, typer.Argument(help="the .jsonl to write")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="field of a run's prompts, e.g. --set prompts.train_per_task=40")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="the same seed and settings give a run the same prompts")] = 0,
) -> None:
    """Write the event-level prompts of the grammar: what a generator of yours should make motions for."""
    from atom.atomic_write import write_atomically
    from atom.config import PromptConfig, load_section
    from atom.prompts.grammar import write_prompts

    config = load_section(PromptConfig, [override.removeprefix("prompts.") for override in set_ or []])
    if config.writer != "grammar":
        raise AtomError("only the grammar's prompts are written here; those of a language model are in a run's store")
    written = write_prompts(config, seed)
    columns = ("prompt_id", "text", "task", "events", "split")
    lines = [json.dumps({name: prompt.to_dict()[name] for name in columns}) + "\n" for prompt in written]
    try:
        write_atomically(output, lambda temporary: temporary.write_text("".join(lines)))
    except OSError as error:
        raise AtomError(f"{output}: can't be written ({error.strerror}), choose another place") from None
    splits = Counter(prompt.split for prompt in written)
    told = ", ".join(f"{number} {split}" for split, number in splits.items())
    Console().print(f"{output}: {len(written)} prompts, {told}", soft_wrap=True, markup=False)


@motions_app.command()
def make(
    prompts_file: Annotated[Path, typer.Argument(metavar="PROMPTS.jsonl", help="as `atom motions prompts` writes it")],
    output: Annotated[Path, typer.Argument(help="the folder to write; a cut-off run goes on here")],
    by: Annotated[
        str, typer.Option("--by", help="FILE.py:NAME, a class as atom/external/motion_generator.py describes it")
    ],
    samples: Annotated[int, typer.Option(min=1, help="motions of each prompt")] = 8,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    split: Annotated[str, typer.Option(help="train, val, test, or all")] = "train",
    batch_size: Annotated[int, typer.Option(min=1, help="motions that the generator is asked for at once")] = 32,
) -> None:
    """Make motions for prompts with a generator of your own. The file named by --by is run."""
    from atom.external.motion_generator import make_motion_folder
    from atom.external.motion_set import read_prompts
    from atom.progress_bars import StageProgressBars

    if split not in ("train", "val", "test", "all"):
        raise AtomError(f"unknown split {split!r}; choose train, val, test or all")
    asked = [prompt for prompt in read_prompts(prompts_file) if split in ("all", prompt.split)]
    if not asked:
        raise AtomError(f"{prompts_file}: holds no prompt of the split {split}, choose another --split")
    generator = _generator(by)
    with StageProgressBars(Console(stderr=True)) as bars:
        counts = make_motion_folder(
            generator, asked, output, samples, seed, batch_size, lambda done, total: bars.update("motions", done, total)
        )
    console = Console()
    console.print(f"{output}: {counts.made} motions made, {counts.kept} were there", soft_wrap=True, markup=False)
    if counts.rejected:
        console.print(f"{counts.rejected} are no motion, see {output / 'rejected.jsonl'}", soft_wrap=True, markup=False)


def _labels(sources: list[Path]) -> list[str]:
    """The names of the files, as long as it takes to tell them apart."""
    stems = [source.stem for source in sources]
    return stems if len(set(stems)) == len(stems) else [str(source) for source in sources]


def _generator(by: str) -> MotionGenerator:
    """An instance of the class that `FILE.py:NAME` names; the file may import what lies beside it."""
    file, _, name = by.rpartition(":")
    path = Path(file)
    if not file or path.suffix != ".py" or not name.isidentifier():
        raise AtomError(f"--by {by!r} must be FILE.py:NAME, such as my_model.py:Diffusion")
    if not path.is_file():
        raise AtomError(f"--by: there is no file {path}")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location("generator_file", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise AtomError(f"--by: {path} defines no {name}")
    generator = getattr(module, name)()
    if not callable(getattr(generator, "motions", None)) or not isinstance(getattr(generator, "name", None), str):
        raise AtomError(f"--by: {name} of {path} needs a `name` and a method `motions(texts, seeds)`")
    return generator


def _lengths(made: ExternalMotionSet, errors: Console) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Frames of each motion that can be read, by its row, and what is wrong with the others."""
    frames: dict[str, int] = {}
    faults = []
    for entry in track(made.entries, "reading motions", console=errors):
        try:
            frames[entry.where] = len(made.joints(entry))
        except AtomError as error:
            faults.append((entry.where, str(error)))
    return frames, faults


def _ends(values: Iterable[int]) -> dict[str, int]:
    values = list(values)
    return {"least": min(values), "most": max(values)} if values else {}


def _show(found: dict[str, Any]) -> None:
    table = Table(box=None, show_header=False)
    table.add_row("motions", f"{found['motions']:,} of {found['prompts']:,} prompts")
    for name in ("tasks", "splits"):
        table.add_row(name, ", ".join(f"{number:,} {value}" for value, number in found[name].items()))
    if found["motions"]:
        samples, frames = found["samples"], found["frames"]
        table.add_row("motions a prompt", f"{samples['least']} to {samples['most']}")
        table.add_row("frames", f"{frames['least']} to {frames['most']}, median {frames['median']} (20 a second)")
        table.add_row("with tokens", f"{found['with_tokens']:,}")
    console = Console()
    console.print(table)
    if found["quarantined"]:
        _show_faults(console, [(f"{row['what']}, {row['where']}", row["reason"]) for row in found["quarantined"]])


def _show_faults(console: Console, faults: list[tuple[str, str]]) -> None:
    table = Table("not used", "why")
    for where, reason in faults[:_SHOWN]:
        table.add_row(escape(where), escape(reason))
    if len(faults) > _SHOWN:
        table.add_row(f"{len(faults) - _SHOWN:,} more", "")
    console.print(table)
