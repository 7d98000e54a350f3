"""`atom`: the command line. Commands of higher layers join through the entry point group `atom.commands`."""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from atom.config import VIEW_WORDS, View
from atom.errors import AtomError
from storage import StoreError

app = typer.Typer(
    help="Align a text-to-motion model with event-level feedback.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console(stderr=True)


@app.command()
def generate(
    text: Annotated[str, typer.Argument(help="what the person does, e.g. 'a person jumps twice, then waves'")],
    output: Annotated[Path, typer.Option("-o", "--output", help="the video to write (.mp4, .gif or .webp)")],
    npy: Annotated[Path | None, typer.Option(help="also write the joints, (T,22,3) in metres")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    checkpoint: Annotated[str, typer.Option(help="'builtin' or a checkpoint folder")] = "builtin",
    adapter: Annotated[Path | None, typer.Option(help="a LoRA adapter folder, such as a run's")] = None,
    temperature: Annotated[float, typer.Option(min=0, help="0: the likeliest token always")] = 1.0,
    top_p: Annotated[float, typer.Option(min=0.01, max=1)] = 1.0,
    template: Annotated[
        str | None, typer.Option(help="'motiongpt', 'caption' or a text with {}; else as the checkpoint says")
    ] = None,
    device: str = "cpu",
    size: Annotated[int, typer.Option(min=64, max=1024, help="pixels of the video's side")] = 512,
    view: Annotated[View, typer.Option(help=VIEW_WORDS)] = "follow",
) -> None:
    """Make one motion from a text and render it."""
    if not text.strip():
        raise AtomError("the text is empty; describe what the person does, e.g. 'a person jumps twice'")
    if output.suffix.lower() not in (".mp4", ".gif", ".webp"):
        raise AtomError(f"can't write a video to {output}: the name must end in .mp4, .gif or .webp")
    for path in filter(None, (output, npy)):
        if not path.parent.is_dir():
            raise AtomError(f"the folder {path.parent} of {path.name} does not exist; make it first")
    from atom.generation.generator import Generator
    from atom.motion.files import write_motion
    from atom.rendering import write_video

    generator = Generator.load(checkpoint, str(adapter) if adapter else None, device, template)
    with console.status("generating"):
        (sample,) = generator.sample([text], [seed], temperature=temperature, top_p=top_p)
        if not sample.tokens:
            raise AtomError(f"the model gave no motion for {text!r}; try another --seed")
        (joints,) = generator.decode([sample.tokens])
    with console.status("rendering"):
        write_video(output, joints, size=size, view=view)
    if npy:
        write_motion(npy, joints)
    console.print(f"{output}: {len(joints)} frames, {len(joints) / 20:.1f} s, seed {seed}")


@app.command()
def pretrain(
    output: Annotated[Path, typer.Argument(help="the checkpoint folder to write")],
    work: Annotated[Path, typer.Option(help="corpus and checkpoints of the training; a cut-off run goes on here")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="field=value, e.g. --set steps=1000")] = None,
) -> None:
    """Train a built-in generator from the procedural corpus and measure it."""
    from atom.config import settings_of
    from atom.generation.pretrain import PretrainConfig
    from atom.generation.pretrain import pretrain as run
    from atom.progress import StageBars

    config = settings_of(PretrainConfig, set_ or [])
    with StageBars(console) as bars:
        figures = run(output, config, work, bars.update)
    console.print_json(data=figures)


@app.command()
def pretrain_judge(
    output: Annotated[Path, typer.Argument(help="the folder to write")],
    work: Annotated[Path, typer.Option(help="motions and state of the training; a cut-off run goes on here")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="field=value, e.g. --set steps=500")] = None,
) -> None:
    """Train the learned judge from the procedural corpus and measure it."""
    from atom.config import settings_of
    from atom.judging.learned_training import JudgeTraining, pretrain_judge
    from atom.progress import StageBars

    config = settings_of(JudgeTraining, set_ or [])
    with StageBars(console) as bars:
        figures = pretrain_judge(output, config, work, bars.update)
    console.print_json(data=figures)


@app.command()
def pretrain_evaluator(
    output: Annotated[Path, typer.Argument(help="the folder to write")],
    work: Annotated[Path, typer.Option(help="motions and state of the training; a cut-off run goes on here")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="field=value, e.g. --set steps=500")] = None,
) -> None:
    """Train the built-in text-motion evaluator from the procedural corpus and measure it."""
    from atom.config import settings_of
    from atom.evaluation.evaluator.small_training import SmallEvaluatorTraining, pretrain_evaluator
    from atom.progress import StageBars

    config = settings_of(SmallEvaluatorTraining, set_ or [])
    with StageBars(console) as bars:
        figures = pretrain_evaluator(output, config, work, bars.update)
    console.print_json(data=figures)


@cache
def _add_commands() -> None:
    """The sub-commands, and whatever installed packages offer under `atom.commands`."""
    from atom.commands.adapter import adapter_app
    from atom.commands.checkpoint import checkpoint_app
    from atom.commands.data import data_app
    from atom.commands.double import serve_judge
    from atom.commands.judge import judge_app
    from atom.commands.motions import motions_app
    from atom.commands.preferences import preferences_app
    from atom.commands.report import report_app
    from atom.commands.reports import serve_reports
    from atom.commands.review import review_app
    from atom.commands.show import show
    from atom.commands.store import store_app

    app.add_typer(adapter_app, name="adapter")
    app.add_typer(checkpoint_app, name="checkpoint")
    app.add_typer(data_app, name="data")
    app.add_typer(judge_app, name="judge")
    app.add_typer(motions_app, name="motions")
    app.add_typer(preferences_app, name="preferences")
    app.add_typer(review_app, name="review")
    app.add_typer(report_app, name="report")
    app.add_typer(store_app, name="store")
    app.command("show")(show)
    app.command("serve-judge")(serve_judge)
    app.command("serve-reports")(serve_reports)
    for point in sorted(entry_points(group="atom.commands"), key=lambda point: point.name):
        command = point.load()
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=point.name)
        else:
            app.command(point.name)(command)


def main() -> None:
    """Runs a command. What a user can mend is one line on standard error and exit status 2."""
    _add_commands()
    try:
        app()
    except (AtomError, StoreError) as error:
        print(f"atom: {error}", file=sys.stderr)
        sys.exit(2)
