"""`atom pretrain` and its like: the built-in networks, trained anew from the procedural corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(stderr=True)


def pretrain(
    output: Annotated[Path, typer.Argument(help="the checkpoint folder to write")],
    work: Annotated[Path, typer.Option(help="corpus and checkpoints of the training; a cut-off run goes on here")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="field=value, e.g. --set steps=1000")] = None,
) -> None:
    """Train a built-in generator from the procedural corpus and measure it."""
    from atom.config import load_section
    from atom.generation.pretrain import PretrainConfig
    from atom.generation.pretrain import pretrain as run
    from atom.progress_bars import StageProgressBars

    config = load_section(PretrainConfig, set_ or [])
    with StageProgressBars(console) as bars:
        figures = run(output, config, work, bars.update)
    console.print_json(data=figures)


def pretrain_judge(
    output: Annotated[Path, typer.Argument(help="the folder to write")],
    work: Annotated[Path, typer.Option(help="motions and state of the training; a cut-off run goes on here")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="field=value, e.g. --set steps=500")] = None,
) -> None:
    """Train the learned judge from the procedural corpus and measure it."""
    from atom.config import load_section
    from atom.judging.learned_judge_training import JudgeTrainingConfig, pretrain_judge
    from atom.progress_bars import StageProgressBars

    config = load_section(JudgeTrainingConfig, set_ or [])
    with StageProgressBars(console) as bars:
        figures = pretrain_judge(output, config, work, bars.update)
    console.print_json(data=figures)


def pretrain_evaluator(
    output: Annotated[Path, typer.Argument(help="the folder to write")],
    work: Annotated[Path, typer.Option(help="motions and state of the training; a cut-off run goes on here")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="field=value, e.g. --set steps=500")] = None,
) -> None:
    """Train the built-in text-motion evaluator from the procedural corpus and measure it."""
    from atom.config import load_section
    from atom.evaluation.evaluator.small_evaluator_training import SmallEvaluatorTrainingConfig, pretrain_evaluator
    from atom.progress_bars import StageProgressBars

    config = load_section(SmallEvaluatorTrainingConfig, set_ or [])
    with StageProgressBars(console) as bars:
        figures = pretrain_evaluator(output, config, work, bars.update)
    console.print_json(data=figures)
