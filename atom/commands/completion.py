"""Shell completion of values: keys and values of the config, runs of a store, names from a list.

typer completes commands and options itself. A completion function never raises, because its traceback would appear in
the middle of the user's command line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import typer

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from atom.config.base import ConfigSection

COMPLETION_VARIABLE = "_ATOM_COMPLETE"
_KEY_VARIABLE = "_ATOM_COMPLETE_KEY"


def complete_from(names: Sequence[str]) -> Callable[[str], list[str]]:
    """A completion function, for typer's `autocompletion`, of an option that takes one of these names."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return complete


def complete_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """The runs of the store that the command line names, newest first, after "latest"."""
    root = ctx.params.get("store") or ctx.params.get("root") or "store"
    records: list[tuple[float, str]] = []
    # An object store would need a request, which is too slow for a key press.
    if "://" not in root:
        with suppress(OSError):
            records = [(path.stat().st_mtime, path.parent.name) for path in Path(root, "runs").glob("*/run.json")]
    return [
        name for name in ("latest", *(name for _, name in sorted(records, reverse=True))) if name.startswith(incomplete)
    ]


def complete_config_key(incomplete: str) -> list[tuple[str, str]]:
    """The keys of a run's config for `--set`, section by section, then the values of the only key that is left."""
    from atom.config import RunConfig

    if key := os.environ.get(_KEY_VARIABLE):  # bash completes the value alone
        field = dict(_list_fields(RunConfig)).get(key)
        return [(value, "") for value in _list_values(field) if value.startswith(incomplete)] if field else []
    fields = dict(_list_fields(RunConfig))
    key, equals, _ = incomplete.partition("=")
    names = [name for name in fields if name == key] if equals else _next_names(fields, key)
    if len(names) > 1:
        return [(name, fields[name].description or "") for name in names]
    values = [
        (f"{name}={value}", fields[name].description or "") for name in names for value in _list_values(fields[name])
    ]
    # Two candidates or more, or else the shell takes the only one as complete and adds a space.
    return values if equals or len(values) > 1 else [*((f"{name}=", "") for name in names), *values]


def join_bash_assignments(environment: MutableMapping[str, str]) -> None:
    """Make one word of `KEY=VALUE` in the words that bash hands over, and note the key of the one to complete.

    bash breaks words at "=", so that `--set KEY=VA` arrives as three words after `--set`, and it replaces `VA` only.

    Args:
        environment: the variables of the process, changed in place.
    """
    words = environment.get("COMP_WORDS", "").split("\n")[: int(environment.get("COMP_CWORD", 0)) + 1]
    joined: list[str] = []
    for before, word in zip([None, *words], words):
        if "=" in (before, word) and joined:
            joined[-1] += word
        else:
            joined.append(word)
    if "=" in words[-2:] and not joined[-1].startswith("-"):  # `--option=value` is typer's
        environment[_KEY_VARIABLE], _, joined[-1] = joined[-1].partition("=")
    environment["COMP_WORDS"], environment["COMP_CWORD"] = "\n".join(joined), str(len(joined) - 1)


def _next_names(fields: dict[str, Any], prefix: str) -> list[str]:
    """The keys that begin with a prefix, each only up to its next section; of a single section, what is in it."""
    while True:
        names = dict.fromkeys(
            name[: end + 1] if (end := name.find(".", len(prefix))) >= 0 else name
            for name in fields
            if name.startswith(prefix)
        )
        if len(names) != 1 or not (name := next(iter(names))).endswith("."):
            return list(names)
        prefix = name


def _list_fields(section: type[ConfigSection], prefix: str = "") -> Iterable[tuple[str, FieldInfo]]:
    """The fields of a section by their dotted keys, those of its sections under `section.` too."""
    from atom.config.base import ConfigSection

    for name, field in section.model_fields.items():
        kinds = [
            kind
            for kind in _alternatives(field.annotation)
            if isinstance(kind, type) and issubclass(kind, ConfigSection)
        ]
        for kind in kinds:
            yield f"{prefix}{name}.", field
            yield from _list_fields(kind, f"{prefix}{name}.")
        if not kinds:
            yield f"{prefix}{name}", field


def _list_values(field: FieldInfo) -> list[str]:
    """The values of a choice, or the default of another scalar, as YAML."""
    values: list[str] = []
    for kind in _alternatives(field.annotation):
        if kind is NoneType:
            values.append("null")
        elif kind is bool:
            values += ["true", "false"]
        elif get_origin(kind) is Literal:
            values += map(str, get_args(kind))
    if isinstance(field.default, int | float | str) and not isinstance(field.default, bool) and str(field.default):
        values.insert(0, str(field.default))
    return list(dict.fromkeys(values))


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the type alone."""
    return (annotation,) if get_origin(annotation) in (None, Literal) else get_args(annotation)
