"""`atom motions`: import, check, convert and draw motions of any generator, and generate motions with your own."""

from __future__ import annotations

import typer

from atom.commands.motions.check import check
from atom.commands.motions.convert import convert
from atom.commands.motions.formats import formats
from atom.commands.motions.import_motions import import_motions
from atom.commands.motions.make import make
from atom.commands.motions.prompts import prompts
from atom.commands.motions.render import render
from atom.commands.motions.view import view

motions_app = typer.Typer(
    help="Import, check, convert and draw motions of any generator, generate motions with your own.",
    no_args_is_help=True,
)
motions_app.command()(check)
motions_app.command("import")(import_motions)
motions_app.command()(formats)
motions_app.command()(convert)
motions_app.command()(render)
motions_app.command()(view)
motions_app.command()(prompts)
motions_app.command()(make)
