"""A group of commands with a default command."""

from __future__ import annotations

import click
from typer.core import TyperGroup


def default_command_group(command: str) -> type[TyperGroup]:
    """The class of a command group in which `atom GROUP ARGUMENTS` is short for `atom GROUP command ARGUMENTS`."""

    class DefaultCommandGroup(TyperGroup):
        def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
            if arguments and arguments[0] not in (*self.commands, "--help"):
                arguments = [command, *arguments]
            return super().parse_args(context, arguments)

    return DefaultCommandGroup
