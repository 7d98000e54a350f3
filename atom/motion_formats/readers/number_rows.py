"""Fast parsing of rows of decimal numbers."""

from __future__ import annotations

import numpy as np

from atom.jit import njit

_MAX_DIGITS = 18  # that fit in a 64-bit integer; further ones don't change a float64
_MAX_EXPONENT = 66
_POWERS = 10.0 ** np.arange(23)  # exact in float64


def parse_number_rows(text: bytes, rows: int, columns: int) -> np.ndarray | None:
    """Parse numbers that stand in rows, several times as fast as float() on each.

    Args:
        text: the rows, one a line, without empty lines; numbers with spaces or tabs between them.
        rows: the number of lines.
        columns: the number of numbers in each.

    Returns:
        (rows, columns) float64, each within two units in the last place; None if a line has another count, or a number
        another spelling than -12.34 or 1.2e-5, so that a slower parser must look at it.
    """
    if len(text) + 1 < 2 * rows * columns:  # a number and what parts it from the next take two bytes
        return None
    values = np.empty((rows, columns))
    return values if _parse(np.frombuffer(text, dtype=np.uint8), values, _POWERS) else None


@njit
def _parse(text: np.ndarray, values: np.ndarray, powers: np.ndarray) -> bool:
    rows, columns = values.shape
    row, column, at, size = 0, 0, 0, len(text)
    while at < size:
        char = text[at]
        if char == 10:  # the end of a line
            if column != columns:
                return False
            row, column, at = row + 1, 0, at + 1
            continue
        if char == 32 or char == 9 or char == 13:
            at += 1
            continue
        if row >= rows or column >= columns:
            return False
        negative = char == 45
        if negative or char == 43:
            at += 1
        mantissa, digits, point, exponent, any_digit = 0, 0, False, 0, False
        while at < size:
            char = text[at]
            if 48 <= char <= 57:
                any_digit = True
                if digits < _MAX_DIGITS:
                    mantissa = mantissa * 10 + (int(char) - 48)
                    digits += mantissa > 0
                    exponent -= point
                else:
                    exponent += not point
            elif char == 46 and not point:
                point = True
            else:
                break
            at += 1
        if not any_digit:
            return False
        if at < size and (text[at] == 101 or text[at] == 69):
            at += 1
            sign = 1
            if at < size and (text[at] == 45 or text[at] == 43):
                sign = -1 if text[at] == 45 else 1
                at += 1
            power, start = 0, at
            while at < size and 48 <= text[at] <= 57 and at - start < 4:
                power = power * 10 + (int(text[at]) - 48)
                at += 1
            if at == start:
                return False
            exponent += sign * power
        if at < size and text[at] != 32 and text[at] != 9 and text[at] != 10 and text[at] != 13:
            return False
        value = float(mantissa)
        if not -_MAX_EXPONENT <= exponent <= _MAX_EXPONENT:
            return False
        while exponent < 0:
            step = min(-exponent, 22)
            value, exponent = value / powers[step], exponent + step
        while exponent > 0:
            step = min(exponent, 22)
            value, exponent = value * powers[step], exponent - step
        values[row, column] = -value if negative else value
        column += 1
    return row == rows - 1 and column == columns
