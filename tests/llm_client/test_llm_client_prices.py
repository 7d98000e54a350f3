"""Prices are data: built in, overridden by a file, and never guessed."""

import pytest

from atom.errors import AtomError
from atom.llm_client.prices import find_price, read_prices


def test_a_dated_version_has_the_price_of_its_model_and_another_model_has_none():
    prices = read_prices()
    assert find_price("gpt-4o-2024-11-20", prices) == prices["gpt-4o"]
    assert find_price("gpt-4o-mini-2024-07-18", prices) == prices["gpt-4o-mini"]
    assert find_price("gpt-4o-something-new", prices) is None and find_price("llava", prices) is None
    assert prices["gpt-4o"].cost(1_000_000, 100_000) == pytest.approx(2.5 + 1.0)


def test_the_users_file_goes_first(tmp_path):
    file = tmp_path / "prices.yaml"
    file.write_text("gpt-4o: {input: 9, output: 9}\nllava: {input: 0, output: 0}\n")
    prices = read_prices(str(file))
    assert prices["gpt-4o"].input == 9 and prices["llava"].cost(5, 5) == 0 and "gpt-4.1" in prices


@pytest.mark.parametrize("text", ["gpt-4o: 3", "gpt-4o: {input: -1, output: 1}", "gpt-4o: {in: 1}", "[1]", "a: {b"])
def test_a_bad_file_is_named(tmp_path, text):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(AtomError, match=r"bad\.yaml"):
        read_prices(str(file))


def test_a_missing_file_is_named():
    with pytest.raises(AtomError, match=r"none\.yaml.*service\.prices"):
        read_prices("none.yaml")
