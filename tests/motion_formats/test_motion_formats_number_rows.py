"""Fast parsing of numbers, compared with float()."""

import numpy as np
import pytest

from atom.motion_formats.readers.number_rows import parse_number_rows


def test_numbers_of_usual_spellings_are_those_of_float():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=2000) * 10.0 ** rng.integers(-6, 6, 2000)
    words = [f"{v:{spelling}}" for v, spelling in zip(numbers, [".6f", ".3e", "+.9f", ".0f", ".17g"] * 400)]
    words[:6] = ["-0", "1.", ".5", "-.25", "+3", "1E2"]
    text = "\n".join(" ".join(words[i : i + 8]) for i in range(0, 2000, 8))
    values = parse_number_rows(text.encode(), 250, 8)
    np.testing.assert_allclose(values.ravel(), [float(word) for word in words], rtol=5e-16)


def test_tabs_and_spaces_may_stand_anywhere():
    values = parse_number_rows(b" 1\t2 \r\n\t3   4", 2, 2)
    np.testing.assert_array_equal(values, [[1, 2], [3, 4]])


def test_more_numbers_than_the_text_can_hold_take_no_memory():
    assert parse_number_rows(b"1 2", 10**9, 10**6) is None


@pytest.mark.parametrize(
    "text",
    [
        *("1 2\n3", "1\n2 3 4", "1 2 3\n4 5", "1 2\n3 4\n5 6", "1 nan\n3 4", "1,5 2\n3 4", "1 -\n2 3"),
        *("1 2e\n3 4", "1 2\n3 4x", "1 . 2\n3 4", "", "1 2e-300\n3 4", "1 1.2.3\n3 4"),
    ],
)
def test_rows_with_anything_else_are_left_to_a_slower_parser(text):
    assert parse_number_rows(text.encode(), 2, 2) is None
