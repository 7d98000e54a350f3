"""Commands whose modules are imported when they are called. `atom --help` only parses their source for the help."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from atom.errors import AtomError

if TYPE_CHECKING:
    import click


class LazyCommand(TyperCommand):
    """A command or command group given by its import path "package.module:name", a function or a `typer.Typer`."""

    def __init__(self, name: str, import_path: str) -> None:
        super().__init__(name)
        self.import_path = import_path

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        # The context belongs to the loaded command, so click parses, describes and invokes that one.
        return self.load().make_context(info_name, args, parent, **extra)

    def load(self) -> click.Command:
        """Import the command."""
        module, _, name = self.import_path.partition(":")
        target = getattr(importlib.import_module(module), name)
        # typer builds a click command only as part of an app.
        app = typer.Typer(pretty_exceptions_enable=False)
        if isinstance(target, typer.Typer):
            app.add_typer(target, name=self.name)
        else:
            app.command(self.name)(target)
        return typer.main.get_group(app).commands[self.name]

    def get_short_help_str(self, limit: int = 45) -> str:
        # zsh and fish show it beside the name that they complete.
        self.help = self.read_help()
        return super().get_short_help_str(limit)

    def read_help(self) -> str | None:
        """Read the help from the source, without an import: a function's docstring, or `help` of a `typer.Typer`."""
        module, _, name = self.import_path.partition(":")
        spec = importlib.util.find_spec(module)
        source = spec.loader.get_source(module) if spec and spec.loader else None  # type: ignore[attr-defined]
        for node in ast.parse(source or "").body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return ast.get_docstring(node)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                options = {keyword.arg: keyword.value for keyword in getattr(node.value, "keywords", [])}
                return ast.literal_eval(options["help"]) if "help" in options else None
        return None


def lazy_group(commands: Mapping[str, str], renamed: Mapping[str, str]) -> type[TyperGroup]:
    """Build the class of a group of lazy commands.

    Args:
        commands: the import path of each command, by the command's name.
        renamed: new names of commands, by their old names. An old name is not in the help; a call of it raises
            AtomError with the new name.

    Returns:
        A class for the argument `cls` of `typer.Typer`.
    """

    class LazyGroup(TyperGroup):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.commands = {name: LazyCommand(name, import_path) for name, import_path in commands.items()}

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            # While the shell completes, an error would appear in the middle of the command line.
            if cmd_name in renamed and not ctx.resilient_parsing:
                raise AtomError(f"`atom {cmd_name}` is now called `atom {renamed[cmd_name]}`")
            return super().get_command(ctx, cmd_name)

        def format_help(self, ctx: Any, formatter: Any) -> None:
            for command in self.commands.values():
                command.help = command.read_help()
            super().format_help(ctx, formatter)

    return LazyGroup
