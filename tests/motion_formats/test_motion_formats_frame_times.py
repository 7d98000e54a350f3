"""Frame rates of printed frame times."""

import pytest

from atom.motion_formats.readers.frame_times import fps_of_frame_time


@pytest.mark.parametrize(
    ("printed", "fps"),
    [
        ("0.0333333", 30),
        ("0.033333", 30),
        ("0.0333", 30),
        (".03333334", 30),
        ("0.008333", 120),
        ("0.0083333333333333", 120),
        ("0.0166", 60),  # cut, not rounded
        ("0.016667", 60),
        ("0.0416667", 24),
        ("0.04", 25),
        ("0.05", 20),
        ("5e-2", 20),
        ("0.01", 100),
        ("0.004167", 240),
        ("0.08", 12.5),
    ],
)
def test_a_rounded_frame_time_stands_for_a_whole_rate(printed, fps):
    assert fps_of_frame_time(printed) == (fps, None)


@pytest.mark.parametrize("printed", ["0.033367", "0.03336667", "0.008342", "0.0166833", "0.041708"])
def test_another_frame_time_is_taken_as_printed(printed):
    assert fps_of_frame_time(printed) == (pytest.approx(1 / float(printed), rel=1e-12), None)


@pytest.mark.parametrize(("printed", "rate"), [("0.017", 60), ("0.033", 30)])
def test_a_rate_that_differs_from_its_rounded_frame_time_is_told(printed, rate):
    fps, remark = fps_of_frame_time(printed)
    assert fps == rate
    assert remark == f"the frame time of {printed} s is rounded: taken as {rate} frames a second"


@pytest.mark.parametrize("printed", ["9", "1", "0.25", "1e-6"])
def test_a_rate_that_no_motion_has_is_left_open(printed):
    fps, remark = fps_of_frame_time(printed)
    assert fps is None
    assert remark.startswith(f"a frame time of {printed} s is ")


@pytest.mark.parametrize("printed", ["0", "-0.05", "nan", "inf", "fast", "1e9"])
def test_what_is_no_number_of_seconds_is_refused(printed):
    with pytest.raises(ValueError, match="is no number of seconds"):
        fps_of_frame_time(printed)
