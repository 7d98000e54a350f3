import json
import subprocess
import sys
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from storage import PROMPTS, Recipe, StoreError, TableSchema, canonical_json

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
)


class Model(BaseModel):
    beta: float = 0.1
    secret: SecretStr | None = None


@dataclass
class Plain:
    beta: float = 0.1
    secret: None = None


class Colour(StrEnum):
    RED = "red"


@settings(max_examples=50, deadline=None)
@given(VALUES)
def test_canonical_json_is_exact_and_stable(value):
    text = canonical_json(value)
    assert text.isascii()
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text("abc"), SCALARS, min_size=2))
def test_order_of_a_dict_does_not_matter(value):
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))


@settings(max_examples=50, deadline=None)
@given(VALUES, VALUES)
def test_different_values_have_different_texts(one, other):
    # Compared by repr, since Python calls 1, 1.0 and True equal while a config must not.
    def plain(value):
        return repr(sorted_dicts(value))

    assert (canonical_json(one) == canonical_json(other)) == (plain(one) == plain(other))


def sorted_dicts(value):
    if isinstance(value, dict):
        return {name: sorted_dicts(value[name]) for name in sorted(value)}
    return [sorted_dicts(item) for item in value] if isinstance(value, list) else value


def test_tuples_models_and_dataclasses_are_written_as_plain_json():
    assert canonical_json((1, 2)) == canonical_json([1, 2])
    assert canonical_json(Model()) == canonical_json(Plain()) == '{"beta":0.1,"secret":null}'


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        {1, 2},
        b"bytes",
        {1: "a"},
        {Colour.RED: 1},
        object(),
        Path("somewhere"),
        np.float64(0.5),
        np.int64(3),
        np.zeros(2),
        Colour.RED,
        Model,
        Model(secret=SecretStr("key")),
        "\ud800",
        1j,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_without_an_exact_form_is_refused_with_its_path(value):
    with pytest.raises(StoreError, match=r"value\.config\[1\]") as caught:
        canonical_json({"config": [0, value]})
    assert "\n" not in str(caught.value)
    assert "key'" not in str(caught.value)  # the secret itself


BASE = Recipe("motions", 1, PROMPTS, {"top_k": 50}, 0, {"generator": "a"}, ["1" * 64, "2" * 64])


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "motion"},
        {"version": 2},
        {"table": TableSchema("prompts", PROMPTS.version + 1, PROMPTS.schema)},
        {"config": {"top_k": 51}},
        {"config": {"top_k": 50.0}},
        {"config": None},
        {"seed": 1},
        {"seed": None},
        {"weights": {"generator": "b"}},
        {"weights": {}},
        {"inputs": ["2" * 64, "1" * 64]},
        {"inputs": ["1" * 64]},
    ],
)
def test_every_part_of_a_recipe_changes_the_key(change):
    assert replace(BASE, **change).key != BASE.key


def test_a_key_is_the_same_in_another_process_and_never_changes():
    program = (
        "from storage import *; print(Recipe('motions', 1, PROMPTS, {'top_k': 50}, 0, {'generator': 'a'}, "
        "['1' * 64, '2' * 64]).key)"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == BASE.key
    pinned = {
        "stage": "motions",
        "version": 1,
        "schema_version": 3,
        "config": {"top_k": 50},
        "seed": 0,
        "weights": {"generator": "a"},
        "inputs": ["1" * 64, "2" * 64],
    }
    assert BASE.record() == pinned


@pytest.mark.parametrize("stage", ["", "runs", "journal", "../up", "Motions", ".hidden", "a/b"])
def test_bad_stage_names_are_refused(stage):
    with pytest.raises(StoreError, match="stage"):
        Recipe(stage, 1, PROMPTS)


def test_an_input_that_is_no_key_is_refused():
    with pytest.raises(StoreError, match="no artifact key"):
        Recipe("motions", 1, PROMPTS, inputs=["latest"])
