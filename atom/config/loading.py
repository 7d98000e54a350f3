"""Reads a config from YAML and the command line, and says in one line what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from atom.config.base import ConfigSection
from atom.config.renamed import new_name, without_unset_keys
from atom.config.run import RunConfig
from atom.errors import AtomError

Settings = TypeVar("Settings", bound=ConfigSection)


def load_config(path: str | Path | None = None, overrides: Sequence[str] = ()) -> RunConfig:
    """Reads the config of a run: the defaults, then a YAML file, then overrides.

    Args:
        path: YAML file of sections; None for the defaults.
        overrides: `section.field=value` each, with the value as YAML.

    Returns:
        The validated config.

    Raises:
        AtomError: the file can't be read, or a field is unknown or holds a wrong value; names the first of them.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = yaml.safe_load(Path(path).read_text()) or {}
        except OSError as error:
            raise AtomError(f"can't read the config {path}: {error.strerror}; check --config") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise AtomError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
        if not isinstance(values, dict):
            raise AtomError(f"{path} holds a {type(values).__name__}, not sections such as 'prompts:' or 'tuning:'")
    return parse_config(values, overrides)


def parse_config(values: dict[str, Any], overrides: Sequence[str] = ()) -> RunConfig:
    """Validates a config that is already read, for example from the record of a run.

    Args:
        values: nested dicts of sections and fields.
        overrides: `section.field=value` each, with the value as YAML.

    Returns:
        The validated config.

    Raises:
        AtomError: names the first field that is unknown or holds a wrong value.
    """
    return _validate(RunConfig, without_unset_keys(values), overrides)


def load_section(section: type[Settings], overrides: Sequence[str]) -> Settings:
    """Reads one section: its defaults with overrides.

    Args:
        section: class of the section.
        overrides: `field=value` or `subsection.field=value` each.

    Returns:
        The validated section.

    Raises:
        AtomError: names the field that is unknown or holds a wrong value.
    """
    return _validate(section, {}, overrides)


def set_override(values: dict[str, Any], override: str) -> None:
    """Puts one override into nested dicts.

    Args:
        values: nested dicts, changed in place.
        override: `section.field=value`, with the value as YAML.

    Raises:
        AtomError: the override can't be read; says how to write it.
    """
    name, equals, value = override.partition("=")
    if not equals:
        raise AtomError(f"--set {override!r} has no value; write --set section.field=value")
    *sections, field = name.strip().split(".")
    target = values
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            raise AtomError(f"--set {override!r}: {section!r} is a value, not a section")
    try:
        target[field] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise AtomError(f"--set {override!r}: the value is not YAML; quote it") from None


def _validate(kind: type[Settings], values: dict[str, Any], overrides: Sequence[str]) -> Settings:
    for override in overrides:
        set_override(values, override)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise AtomError(_explain(error, kind)) from None


def _explain(error: ValidationError, root: type[BaseModel]) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if not place:
        return str(first["ctx"]["error"]) if "error" in first.get("ctx", {}) else first["msg"]
    if place.startswith("service.key"):  # the key itself may stand there
        return f"config key {place!r}: {first['msg']}; give a name here, the key goes into the environment"
    if renamed := new_name(place, first["input"]):
        return renamed
    if first["type"] == "extra_forbidden":
        section = root
        for part in first["loc"][:-1]:
            section = section.model_fields[str(part)].annotation  # type: ignore[assignment]
        return f"unknown config key {place!r}; known here: {', '.join(section.model_fields)}"
    return f"config key {place!r}: {first['msg']} (got {first['input']!r})"
