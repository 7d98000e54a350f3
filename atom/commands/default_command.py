"""A group of commands with a default command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer.core import TyperGroup

if TYPE_CHECKING:
    import click


def default_command_group(command: str) -> type[TyperGroup]:
    """The class of a command group in which `atom GROUP ARGUMENTS` is short for `atom GROUP command ARGUMENTS`."""

    class DefaultCommandGroup(TyperGroup):
        def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
            if arguments and arguments[0] not in (*self.commands, "--help"):
                arguments = [command, *arguments]
            return super().parse_args(context, arguments)

        def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
            if not incomplete.startswith("-"):
                return super().shell_complete(ctx, incomplete)
            # `atom GROUP --o` can only go on with an option of the default command.
            default = self.commands[command]
            with default.make_context(command, [], parent=ctx, resilient_parsing=True) as default_context:
                return default.shell_complete(default_context, incomplete)

    return DefaultCommandGroup
