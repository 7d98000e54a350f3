"""Frame rates of printed frame times."""

from __future__ import annotations

import math
import re

COMMON_RATES = (24, 25, 30, 48, 50, 60, 72, 75, 90, 100, 120, 144, 150, 180, 200, 240, 250, 300, 360, 480, 500, 1000)
MIN_FPS, MAX_FPS = 5, 1000  # outside of it the number is no rate of a motion
_NOTABLE = 0.005  # a share by which a rounded frame time may differ from its rate without a remark


def fps_of_frame_time(printed: str) -> tuple[float | None, str | None]:
    """The frame rate that a printed frame time stands for.

    A frame time is printed with some digits, rounded or cut: 0.0333333 s is 30 fps, 0.008333 s is 120 fps and 0.033 s
    is 30 fps. It stands for a whole rate where its last digit leaves one alone, or one of the common rates alone;
    else (0.033367 s, 29.97 fps) it is taken as printed.

    Args:
        printed: the seconds between two frames, as the file has them.

    Returns:
        Frames a second, or None where no motion is sampled at that rate; and a remark or None.

    Raises:
        ValueError: it is no positive number of seconds; the message says so.
    """
    try:
        seconds = float(printed)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and 0 < seconds < 1e6):
        raise ValueError(f"a frame time of {printed!r} is no number of seconds")
    rate = 1 / seconds
    fps = _whole_rate(rate, seconds, printed)
    if not MIN_FPS <= fps <= MAX_FPS:
        return None, (
            f"a frame time of {printed} s is {fps:.3g} frames a second, which no motion has ({MIN_FPS} to {MAX_FPS})"
        )
    if abs(fps / rate - 1) > _NOTABLE:
        return fps, f"the frame time of {printed} s is rounded: taken as {fps:g} frames a second"
    return fps, None


def _whole_rate(rate: float, seconds: float, printed: str) -> float:
    """The whole rate that `printed` is a rounding of, else the rate itself."""
    if math.isclose(rate, round(rate), rel_tol=1e-6):  # 0.03333334 is 1 / 30 in single precision
        return float(round(rate))
    last_digit = _last_digit(printed)
    # Rounded, the true time is half a digit away at most; cut, it is up to a digit longer.
    low, high = 1 / (seconds + last_digit), 1 / max(seconds - last_digit / 2, 1e-9)
    whole = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    if len(whole) == 1:
        return float(whole[0])
    common = [common for common in COMMON_RATES if common in whole]
    return float(common[0]) if len(common) == 1 else rate


def _last_digit(printed: str) -> float:
    """The place of the last digit of a number: of 0.033, 0.001."""
    match = re.fullmatch(r"[+-]?\d*\.?(?P<decimals>\d*)(?:[eE](?P<exponent>[+-]?\d+))?", printed.strip())
    if match is None:
        return 0.0
    return 10.0 ** (int(match["exponent"] or 0) - len(match["decimals"])) if "." in printed else 0.0
