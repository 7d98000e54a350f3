"""`atom judge`: score a motion, compare two motions, and measure how far a judge can be trusted."""

from __future__ import annotations

import typer

from atom.commands.default_command import default_command_group
from atom.commands.judge.calibrate import calibrate
from atom.commands.judge.compare import compare
from atom.commands.judge.motion import judge_motion

judge_app = typer.Typer(
    cls=default_command_group("motion"),
    no_args_is_help=True,
    help="Score a motion (`atom judge FILE TEXT`), compare two motions, calibrate a judge.",
)
judge_app.command("motion")(judge_motion)
judge_app.command()(compare)
judge_app.command()(calibrate)
