"""`atom`: the command line. Commands of higher layers join through the entry point group `atom.commands`."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from typing import Annotated

import typer

from atom.commands.completion import COMPLETION_VARIABLE, join_bash_assignments
from atom.commands.lazy_commands import lazy_group
from atom.errors import AtomError

COMMANDS = {
    "generate": "atom.commands.generate:generate",
    "pretrain": "atom.commands.pretrain:pretrain",
    "pretrain-judge": "atom.commands.pretrain:pretrain_judge",
    "pretrain-evaluator": "atom.commands.pretrain:pretrain_evaluator",
    "push": "atom.commands.push:push",
    "show": "atom.commands.show:show",
    "serve-mock": "atom.commands.serve_mock:serve_mock",
    "serve-reports": "atom.commands.serve_reports:serve_reports",
    "adapter": "atom.commands.adapter:adapter_app",
    "checkpoint": "atom.commands.checkpoint:checkpoint_app",
    "data": "atom.commands.data:data_app",
    "judge": "atom.commands.judge:judge_app",
    "motions": "atom.commands.motions:motions_app",
    "preferences": "atom.commands.preferences:preferences_app",
    "prompts": "atom.commands.prompts:prompts_app",
    "review": "atom.commands.review:review_app",
    "report": "atom.commands.report:report_app",
    "store": "atom.commands.store:store_app",
}
RENAMED_COMMANDS = {"serve-judge": "serve-mock"}


def find_commands() -> dict[str, str]:
    """The import path of each command by its name: this package's, and those of the entry points `atom.commands`."""
    installed = sorted(metadata.entry_points(group="atom.commands"), key=lambda point: point.name)
    return COMMANDS | {point.name: point.value for point in installed}


def main() -> None:
    """Run a command. An error that the user can fix is one line on standard error with exit status 2."""
    if os.environ.get(COMPLETION_VARIABLE) == "complete_bash":
        join_bash_assignments(os.environ)
    app = typer.Typer(
        cls=lazy_group(find_commands(), RENAMED_COMMANDS),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback(help="Align a text-to-motion model with event-level feedback.")(_options)
    try:
        app(prog_name="atom")
    except AtomError as error:
        _exit_with(error)
    except Exception as error:
        # Imported late, because `--help` must not import pyarrow. A command that raises StoreError has imported it.
        from storage import StoreError

        if not isinstance(error, StoreError):
            raise
        _exit_with(error)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"atom-motion {metadata.version('atom-motion')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The options of `atom` itself."""


def _exit_with(error: Exception) -> None:
    print(f"atom: {error}", file=sys.stderr)
    sys.exit(2)
