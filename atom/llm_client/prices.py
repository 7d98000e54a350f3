"""Prices of language models, read from YAML files that the user can replace."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from atom.errors import AtomError

BUILTIN_PRICES = Path(__file__).parent / "prices.yaml"
BATCH_DISCOUNT = 0.5  # price of the Batch API as a fraction of the live price


class Price(BaseModel):
    """US dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    output: float = Field(ge=0)

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars for so many tokens.

        Args:
            prompt_tokens: tokens of the request.
            completion_tokens: tokens of the answer.

        Returns:
            The cost at the live price, in US dollars.
        """
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


@cache
def read_prices(path: str | None = None) -> dict[str, Price]:
    """Reads the prices by model name. The user's file overrides the built-in ones; a bad file is an AtomError."""
    prices = _read_file(BUILTIN_PRICES)
    return prices | _read_file(Path(path)) if path else prices


def _read_file(path: Path) -> dict[str, Price]:
    try:
        rows = yaml.safe_load(path.read_text()) or {}
    except OSError as error:
        raise AtomError(f"can't read the prices {path}: {error.strerror}; check service.prices") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise AtomError(f"the prices {path} are not YAML: {' '.join(str(error).split())}") from None
    try:
        return {str(model): Price.model_validate(row) for model, row in rows.items()}
    except (ValidationError, AttributeError):
        raise AtomError(
            f"the prices {path} must be lines such as 'gpt-4o: {{input: 2.5, output: 10}}', in US dollars for a "
            "million tokens"
        ) from None


def find_price(model: str, prices: dict[str, Price]) -> Price | None:
    """Finds the price of a model, or of the model that a dated version such as `gpt-4o-2024-11-20` belongs to.

    Args:
        model: name of the model.
        prices: prices by model name.

    Returns:
        The price, or None if there is none.
    """
    if model in prices:
        return prices[model]
    # Only a digit may follow: "gpt-4o-mini" is another model than "gpt-4o", not a version of it.
    undated = [name for name in prices if model.startswith(f"{name}-") and model[len(name) + 1 :][:1].isdigit()]
    return prices[max(undated, key=len)] if undated else None
