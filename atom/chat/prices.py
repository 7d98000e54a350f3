"""What models cost: data that the user can edit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from atom.errors import AtomError

BUILTIN = Path(__file__).parent / "prices.yaml"
BATCH_DISCOUNT = 0.5  # the Batch API's share of the live price


class Price(BaseModel):
    """US dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    output: float = Field(ge=0)

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


@cache
def read_prices(path: str | None = None) -> dict[str, Price]:
    """Prices by model name; those of the user's file go before the built-in ones. AtomError for a bad file."""
    prices = _read(BUILTIN)
    return prices | _read(Path(path)) if path else prices


def _read(path: Path) -> dict[str, Price]:
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


def price_of(model: str, prices: dict[str, Price]) -> Price | None:
    """The price of a model, also of a dated version of it (`gpt-4o-2024-11-20`); None if it is not known."""
    if model in prices:
        return prices[model]
    undated = [name for name in prices if model.startswith(f"{name}-") and model[len(name) + 1 :][:1].isdigit()]
    return prices[max(undated, key=len)] if undated else None
