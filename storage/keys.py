"""An artifact's key: the sha256 of everything that decides its content, and of nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from storage.errors import StoreError
from storage.schemas import Table

KEY = re.compile(r"[0-9a-f]{64}")
STAGE = re.compile(r"[a-z][a-z0-9_-]*")
RESERVED_STAGES = {"compact", "journal", "runs"}


def canonical_json(value: Any) -> str:
    """The one JSON text of a value, the same in every process and version: sorted keys, no spaces, ASCII, exact floats.

    Takes None, bool, int, finite float, str, lists and tuples (the same thing), dicts with str keys, dataclasses and
    pydantic models (as dicts of their fields). Anything else raises StoreError, because what can't be written exactly
    could give one key to two different things: NaN, sets, bytes, paths, numpy scalars, secrets, subclasses of str.
    """
    return _text(_plain(value, "value"))


def digest(value: Any) -> str:
    """The sha256 of the canonical JSON of values that need no check: what was read from JSON, or a recipe's `record()`,
    whose key it is. ValueError where there is NaN or an infinity among them."""
    return hashlib.sha256(_text(value).encode("ascii")).hexdigest()


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that decides an artifact's content; two equal recipes mean the same artifact.

    stage: the folder it is kept under ("motions").
    version: of the stage's code, raised by hand when its results change.
    table: the schema of its rows.
    config: what `canonical_json` takes; only what affects the result, so no path, device, batch size or worker count.
    weights: name -> hash of models and prompt templates.
    inputs: keys of the artifacts it is made from, in an order that matters.
    """

    stage: str
    version: int
    table: Table
    config: Any = None
    seed: int | None = None
    weights: Mapping[str, str] = dataclasses.field(default_factory=dict)
    inputs: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_stage(self.stage)
        for key in self.inputs:
            check_key(key)

    @property
    def key(self) -> str:
        return digest(self.record())

    def record(self) -> dict[str, Any]:
        """The recipe as plain JSON values; the key is the hash of exactly this."""
        record = {
            "stage": self.stage,
            "version": self.version,
            "schema_version": self.table.version,
            "config": self.config,
            "seed": self.seed,
            "weights": dict(self.weights),
            "inputs": list(self.inputs),
        }
        return _plain(record, self.stage)


def check_stage(stage: str) -> str:
    if not STAGE.fullmatch(stage) or stage in RESERVED_STAGES:
        raise StoreError(
            f"{stage!r} can't name a stage; use lower-case letters, digits, - and _, "
            f"and none of {', '.join(sorted(RESERVED_STAGES))}"
        )
    return stage


def check_key(key: str) -> str:
    if not KEY.fullmatch(key):
        raise StoreError(f"{key!r} is no artifact key; a key is 64 hexadecimal digits, as Recipe.key gives")
    return key


def _text(plain: Any) -> str:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _plain(value: Any, where: str) -> Any:
    # Exact types only: numpy.float64 is a float and StrEnum a str, yet what they print as isn't theirs to promise.
    kind = type(value)
    if value is None or kind in (bool, int):
        return value
    if kind is str:
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise StoreError(f"{where} holds a lone surrogate, which is no text; decode it properly first")
        return value
    if kind is float:
        if not math.isfinite(value):
            raise StoreError(f"{where} is {value}, which has no exact JSON form; use None or a finite number")
        return value
    if kind in (list, tuple):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if kind is dict:
        return {_name(name, where): _plain(item, f"{where}.{name}") for name, item in value.items()}
    if isinstance(value, BaseModel):
        return {name: _plain(item, f"{where}.{name}") for name, item in value}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name), f"{where}.{field.name}")
            for field in dataclasses.fields(value)
        }
    raise StoreError(
        f"{where} is a {kind.__module__}.{kind.__qualname__}, which can't be part of a key exactly; "
        "convert it to None, bool, int, float, str, list or dict first"
    )


def _name(name: Any, where: str) -> str:
    if type(name) is not str:
        raise StoreError(f"{where} has the dict key {name!r}, which is no str; make it one first")
    return _plain(name, f"a dict key of {where}")
