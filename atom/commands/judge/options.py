"""Options and arguments of the `atom judge` commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atom.commands.completion import complete_config_key, complete_from
from atom.errors import AtomError
from atom.events import TASKS

if TYPE_CHECKING:
    from atom.config import RunConfig

JUDGES = ("kinematic", "learned", "vision", "auto", "retrieval")

MotionArgument = Annotated[
    Path, typer.Argument(help="a .npy of joints (T,22,3) or features (T,263), or a .npz with joints")
]
TextArgument = Annotated[str, typer.Argument(help="what the motion should show")]
TaskOption = Annotated[
    str, typer.Option("--task", help="integrity, temporal or frequency", autocompletion=complete_from(TASKS))
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="YAML file of a run's config")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="section.field=value; may be repeated", autocompletion=complete_config_key),
]
AnswerStoreOption = Annotated[str, typer.Option("--store", help="the store that keeps answers, pictures and clips")]


def check_task(task: str) -> None:
    """Raise AtomError unless `task` is one of the three tasks."""
    if task not in TASKS:
        raise AtomError(f"unknown task {task!r}; choose from {', '.join(TASKS)}")


def load_judge_config(config: Path | None, overrides: list[str] | None) -> RunConfig:
    """Load a run's config for its judge.

    Args:
        config: a YAML file, or None for the defaults.
        overrides: the values of `--set`.

    Returns:
        The config.

    Raises:
        AtomError: the config is not valid.
    """
    from atom.config import load_config

    # A run with on-policy steps may not use every judge, but a judge alone does no such step.
    return load_config(config, [*(overrides or []), "on_policy.steps=0"])


def join_choices(names: Sequence[str]) -> str:
    """Names as a choice: `kinematic, learned or vision`."""
    return f"{', '.join(names[:-1])} or {names[-1]}"
