"""The configs that come with the project are valid, and what they name has a price."""

from pathlib import Path

import pytest

import flows
from atom.config import load_config
from atom.llm_client.prices import find_price, read_prices
from flows.services import language_models

CONFIGS = sorted((Path(flows.__file__).parent / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_loads_and_its_budget_can_be_kept(path):
    config = load_config(path)
    assert all(find_price(model, read_prices()) for model in language_models(config))
    assert "vision" not in path.stem or config.uses_vision
