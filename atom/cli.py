"""`atom`: the command line. Commands of higher layers join through the entry point group `atom.commands`."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import typer

from atom.commands.lazy_commands import lazy_group
from atom.errors import AtomError

COMMANDS = {
    "generate": "atom.commands.generate:generate",
    "pretrain": "atom.commands.pretrain:pretrain",
    "pretrain-judge": "atom.commands.pretrain:pretrain_judge",
    "pretrain-evaluator": "atom.commands.pretrain:pretrain_evaluator",
    "show": "atom.commands.show:show",
    "serve-judge": "atom.commands.serve_mock:serve_mock",
    "serve-reports": "atom.commands.serve_reports:serve_reports",
    "adapter": "atom.commands.adapter:adapter_app",
    "checkpoint": "atom.commands.checkpoint:checkpoint_app",
    "data": "atom.commands.data:data_app",
    "judge": "atom.commands.judge:judge_app",
    "motions": "atom.commands.motions:motions_app",
    "preferences": "atom.commands.preferences:preferences_app",
    "review": "atom.commands.review:review_app",
    "report": "atom.commands.report:report_app",
    "store": "atom.commands.store:store_app",
}


def commands() -> dict[str, str]:
    """Where each command is: ours, and whatever installed packages offer under `atom.commands`."""
    offered = sorted(entry_points(group="atom.commands"), key=lambda point: point.name)
    return COMMANDS | {point.name: point.value for point in offered}


def main() -> None:
    """Runs a command. What a user can mend is one line on standard error and exit status 2."""
    app = typer.Typer(
        cls=lazy_group(commands()), no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
    )
    app.callback(help="Align a text-to-motion model with event-level feedback.")(lambda: None)
    try:
        app()
    except Exception as error:
        from storage import StoreError  # what raised it has imported this, `--help` has not

        if not isinstance(error, AtomError | StoreError):
            raise
        print(f"atom: {error}", file=sys.stderr)
        sys.exit(2)
