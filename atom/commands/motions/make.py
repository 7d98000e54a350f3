"""`atom motions make`: motions of your own generator for prompts."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from atom.errors import AtomError

if TYPE_CHECKING:
    from atom.external.motion_generator import MotionGenerator


def make(
    prompts_file: Annotated[Path, typer.Argument(metavar="PROMPTS.jsonl", help="a file of `atom motions prompts`")],
    output: Annotated[Path, typer.Argument(help="the folder to write; an interrupted run resumes there")],
    by: Annotated[
        str, typer.Option("--by", help="FILE.py:NAME, a class that atom/external/motion_generator.py describes")
    ],
    samples: Annotated[int, typer.Option(min=1, help="motions for each prompt")] = 8,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    split: Annotated[str, typer.Option(help="train, val, test, or all")] = "train",
    batch_size: Annotated[int, typer.Option(min=1, help="motions in one call of the generator")] = 32,
) -> None:
    """Generate motions for prompts with your own generator. The Python file of --by is executed."""
    from atom.external.motion_generator import make_motion_folder
    from atom.external.motion_set import read_prompts
    from atom.progress_bars import StageProgressBars

    if split not in ("train", "val", "test", "all"):
        raise AtomError(f"unknown split {split!r}; choose train, val, test or all")
    prompts = [prompt for prompt in read_prompts(prompts_file) if split in ("all", prompt.split)]
    if not prompts:
        raise AtomError(f"{prompts_file}: no prompt of the split {split}, choose another --split")
    generator = _load_generator(by)
    with StageProgressBars(Console(stderr=True)) as bars:
        counts = make_motion_folder(
            generator,
            prompts,
            output,
            samples,
            seed,
            batch_size,
            lambda done, total: bars.update("motions", done, total),
        )
    console = Console()
    console.print(
        f"{output}: {counts.generated} motions generated, {counts.kept} were already there",
        soft_wrap=True,
        markup=False,
    )
    if counts.rejected:
        console.print(
            f"{counts.rejected} are not motions, see {output / 'rejected.jsonl'}", soft_wrap=True, markup=False
        )


def _load_generator(by: str) -> MotionGenerator:
    """Create an instance of the class `FILE.py:NAME`. The file may import modules from its own folder."""
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
