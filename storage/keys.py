"""Artifact keys: the sha256 of everything that determines an artifact's content, and of nothing else."""

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
from storage.schemas import TableSchema

KEY_PATTERN = re.compile(r"[0-9a-f]{64}")
STAGE_PATTERN = re.compile(r"[a-z][a-z0-9_-]*")
RESERVED_STAGES = {"compact", "journal", "runs"}


def canonical_json(value: Any) -> str:
    """The canonical JSON of a value, the same in any process and version: sorted keys, no spaces, ASCII, exact floats.

    It takes None, bool, int, finite float, str, lists and tuples (written alike), dicts with str keys, dataclasses and
    pydantic models (as dicts of their fields). Anything else raises StoreError, because a value that can't be written
    exactly could give two different artifacts one key: NaN, sets, bytes, paths, numpy scalars, secrets, subclasses of
    str.
    """
    return _dump_json(_to_plain_json(value, "value"))


def hash_json(value: Any) -> str:
    """The sha256 of the canonical JSON of plain JSON values, such as a recipe's `record()`, whose key it is.

    Types are not checked, so the value must have been read from JSON or come from `record()`. NaN and infinities raise
    ValueError.
    """
    return hashlib.sha256(_dump_json(value).encode("ascii")).hexdigest()


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that determines an artifact's content; equal recipes describe the same artifact.

    Attributes:
        stage: name of the stage, and of the artifact's folder, such as "motions".
        version: version of the stage's code, raised by hand when its results change.
        table: schema of the artifact's rows.
        config: settings that affect the result, as `canonical_json` takes them; no path, device, batch size or number
            of workers.
        seed: random seed, None for a stage that draws nothing.
        weights: hashes of models and prompt templates, by name.
        inputs: keys of the artifacts that it is computed from; their order matters.
    """

    stage: str
    version: int
    table: TableSchema
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
        """The artifact's key, 64 hexadecimal digits."""
        return hash_json(self.record())

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
        return _to_plain_json(record, self.stage)


def check_stage(stage: str) -> str:
    """The stage's name; raises StoreError unless it can name a folder of artifacts."""
    if not STAGE_PATTERN.fullmatch(stage) or stage in RESERVED_STAGES:
        raise StoreError(
            f"{stage!r} can't name a stage; use lower-case letters, digits, - and _, "
            f"and none of {', '.join(sorted(RESERVED_STAGES))}"
        )
    return stage


def check_key(key: str) -> str:
    """The key; raises StoreError unless it is 64 hexadecimal digits."""
    if not KEY_PATTERN.fullmatch(key):
        raise StoreError(f"{key!r} is no artifact key; a key is 64 hexadecimal digits, see Recipe.key")
    return key


def _dump_json(plain: Any) -> str:
    # Every byte counts here: keys are hashes of this text, and have to come out the same on any machine and version.
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _to_plain_json(value: Any, where: str) -> Any:
    # Exact types only: numpy.float64 is a float and StrEnum a str, but how they print may change between versions.
    kind = type(value)
    if value is None or kind in (bool, int):
        return value
    if kind is str:
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise StoreError(f"{where} holds a lone surrogate, which is not valid text; decode it properly first")
        return value
    if kind is float:
        if not math.isfinite(value):
            raise StoreError(f"{where} is {value}, which has no exact JSON form; use None or a finite number")
        return value
    if kind in (list, tuple):
        return [_to_plain_json(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if kind is dict:
        return {_check_dict_key(name, where): _to_plain_json(item, f"{where}.{name}") for name, item in value.items()}
    if isinstance(value, BaseModel):
        return {name: _to_plain_json(item, f"{where}.{name}") for name, item in value}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _to_plain_json(getattr(value, field.name), f"{where}.{field.name}")
            for field in dataclasses.fields(value)
        }
    raise StoreError(
        f"{where} is a {kind.__module__}.{kind.__qualname__}, which a key can't represent exactly; "
        "convert it to None, bool, int, float, str, list or dict first"
    )


def _check_dict_key(name: Any, where: str) -> str:
    if type(name) is not str:
        raise StoreError(f"{where} has the dict key {name!r}, which is not a str; convert it first")
    return _to_plain_json(name, f"a dict key of {where}")
