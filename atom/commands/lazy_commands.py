"""Commands that are imported when they are called: the help of them all costs what reading their source costs."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


class LazyCommand(TyperCommand):
    """A command or group of commands by its place, "package.module:name", which is a function or a `typer.Typer`."""

    def __init__(self, name: str, place: str) -> None:
        super().__init__(name)
        self.place = place

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Of the true command, which from here on is the one that is parsed, described and invoked."""
        return self.load().make_context(info_name, args, parent, **extra)

    def load(self) -> Any:
        """The true command."""
        module, _, name = self.place.partition(":")
        made = getattr(importlib.import_module(module), name)
        around = typer.Typer(pretty_exceptions_enable=False)
        if isinstance(made, typer.Typer):
            around.add_typer(made, name=self.name)
        else:
            around.command(self.name)(made)
        return typer.main.get_group(around).commands[self.name]

    def read_help(self) -> str | None:
        """What the source says of it, unimported: a function's docstring, or the `help` of a `typer.Typer`."""
        module, _, name = self.place.partition(":")
        spec = importlib.util.find_spec(module)
        source = spec.loader.get_source(module) if spec and spec.loader else None  # type: ignore[attr-defined]
        for node in ast.parse(source or "").body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return ast.get_docstring(node)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                given = {keyword.arg: keyword.value for keyword in getattr(node.value, "keywords", [])}
                return ast.literal_eval(given["help"]) if "help" in given else None
        return None


def lazy_group(commands: dict[str, str]) -> type[TyperGroup]:
    """The class of a group of commands, each by its name and place."""

    class Group(TyperGroup):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.commands = {name: LazyCommand(name, place) for name, place in commands.items()}

        def format_help(self, ctx: Any, formatter: Any) -> None:
            for command in self.commands.values():
                command.help = command.read_help()
            super().format_help(ctx, formatter)

    return Group
