"""`atom pretrain`, `pretrain-judge` and `pretrain-evaluator`: train the built-in networks on the procedural corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(stderr=True)


def pretrain(
    output: Annotated[Path, typer.Argument(help="the checkpoint folder to write")],
    work: Annotated[
        Path, typer.Option(help="folder for the corpus and training checkpoints; an interrupted run resumes there")
    ],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="field=value of the training's settings, e.g. --set steps=1000")
    ] = None,
) -> None:
    """Train a built-in generator on the procedural corpus and measure its quality."""
    from atom.config import load_section
    from atom.generation.pretraining import PretrainConfig
    from atom.generation.pretraining import pretrain as run
    from atom.progress_bars import StageProgressBars

    config = load_section(PretrainConfig, set_ or [])
    with StageProgressBars(console) as bars:
        metrics = run(output, config, work, bars.update)
    console.print_json(data=metrics)


def pretrain_judge(
    output: Annotated[Path, typer.Argument(help="the folder to write")],
    work: Annotated[Path, typer.Option(help="folder for motions and training state; an interrupted run resumes there")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="field=value of the training's settings, e.g. --set steps=500")
    ] = None,
) -> None:
    """Train the learned judge on the procedural corpus and measure its quality."""
    from atom.config import load_section
    from atom.judging.learned_judge_training import JudgeTrainingConfig, pretrain_judge
    from atom.progress_bars import StageProgressBars

    config = load_section(JudgeTrainingConfig, set_ or [])
    with StageProgressBars(console) as bars:
        metrics = pretrain_judge(output, config, work, bars.update)
    console.print_json(data=metrics)


def pretrain_evaluator(
    output: Annotated[Path, typer.Argument(help="the folder to write")],
    work: Annotated[Path, typer.Option(help="folder for motions and training state; an interrupted run resumes there")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="field=value of the training's settings, e.g. --set steps=500")
    ] = None,
) -> None:
    """Train the built-in text-motion evaluator on the procedural corpus and measure its quality."""
    from atom.config import load_section
    from atom.evaluation.evaluator.small_evaluator_training import SmallEvaluatorTrainingConfig, pretrain_evaluator
    from atom.progress_bars import StageProgressBars

    config = load_section(SmallEvaluatorTrainingConfig, set_ or [])
    with StageProgressBars(console) as bars:
        metrics = pretrain_evaluator(output, config, work, bars.update)
    console.print_json(data=metrics)
