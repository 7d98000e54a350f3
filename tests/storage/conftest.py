"""Fixtures of the storage tests: a store, a recipe, and rows of the prompts table."""

import pytest

from storage import PROMPTS, Recipe, Store


def prompt_row(number: int = 0) -> dict:
    return {
        "prompt_id": f"p{number}",
        "text": "a person jumps twice",
        "task": "frequency",
        "events": [{"action": "jump_up", "phrase": "jumps", "count": 2, "group": None}],
        "split": "train",
        "source": "grammar",
        "seed": number,
        "rejected": None,
        "answer": None,
    }


@pytest.fixture
def row():
    return prompt_row


@pytest.fixture
def recipe() -> Recipe:
    return Recipe("prompts", version=1, table=PROMPTS, config={"per_task": 2}, seed=0)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(str(tmp_path / "store"))
