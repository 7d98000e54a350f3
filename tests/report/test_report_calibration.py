"""The calibration page stands alone, shows what it is given as text, and calls noise noise."""

import io
import re

import pytest
from matplotlib.image import imread

from atom.errors import AtomError
from atom.judging.calibration import AGREEMENT, ERRORS, EVENT_ERRORS
from atom.report.calibration_page import LABELS, plot_calibration, render_calibration_page

SCRIPT = '<script>alert("$x")</script>'
UNKNOWN = {"value": None, "interval": None}


def group(kappa=0.8, interval=(0.7, 0.9), events=True, **changes):
    figures = {name: {"value": 0.9, "interval": [0.85, 0.95]} for name in (*AGREEMENT, *ERRORS)}
    error_figure = {"value": 0.1, "interval": [0.05, 0.15], "n": 40} if events else UNKNOWN | {"n": 0}
    kappa = {"value": kappa, "interval": list(interval) if interval else None}
    return {
        "n": 40,
        "unscored": 2,
        "prompts": 10,
        "confusion": [[2] * 5] * 5,
        **figures,
        "weighted_kappa": kappa,
        **{name: error_figure for name in EVENT_ERRORS},
    } | changes


def result(**options):
    return {"overall": group(**options), "temporal": group(**options)}


def test_the_page_stands_alone_and_escapes_what_it_is_given():
    page = render_calibration_page({SCRIPT: result()}, {"model": SCRIPT, "clips": 40})
    assert SCRIPT not in page and page.count("&lt;script&gt;") == 4  # two sentences, a heading, a detail
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page), "nothing is fetched"
    assert "data:image/png;base64," in page and "prefers-color-scheme: dark" in page and "width=device-width" in page
    assert all(label.replace("'", "&#39;") in page for label in LABELS.values())
    assert "weighted kappa 0.80 (95 % interval 0.70 to 0.90) on 40 clips of 10 prompts" in page
    assert "2 unscored" in page and "n = 40" in page


@pytest.mark.slow
def test_the_best_is_named_first_and_the_difference_told_from_intervals():
    far = render_calibration_page({"a": result(kappa=0.3, interval=(0.2, 0.4)), "b": result()}, {})
    assert "b agrees best with the truth" in far and "Next comes a with 0.30" in far and "more than noise" in far
    near = render_calibration_page({"a": result(kappa=0.75, interval=(0.65, 0.85)), "b": result()}, {})
    assert "the difference may be noise" in near and "more than noise" not in near
    few = render_calibration_page({"a": result(kappa=0.3, interval=None), "b": result()}, {})
    assert "too few prompts to tell" in few


@pytest.mark.slow
@pytest.mark.parametrize(("verdict", "expected"), [("better", "more than noise"), ("within noise", "within noise")])
def test_a_paired_difference_goes_before_intervals(verdict, expected):
    difference = {
        "judges": ["b", "a"],
        "n": 38,
        "prompts": 10,
        "gain": 0.05,
        "interval": [0.01, 0.09],
        "verdict": verdict,
    }
    page = render_calibration_page({"a": result(kappa=0.75), "b": result()}, {}, [difference])
    assert f"b is ahead by 0.05 (95 % interval 0.01 to 0.09): {expected}." in page and "Judge against judge" in page


def test_errors_about_events_are_told_in_words_where_they_are_known():
    assert "misses 10.0\N{NO-BREAK SPACE}%" in render_calibration_page({"a": result()}, {})
    assert "misses" not in render_calibration_page({"a": result(events=False)}, {})


def test_a_judge_that_gave_nothing_is_shown_as_such():
    nothing = group(kappa=None, interval=None, events=False, n=0, confusion=[[0] * 5] * 5)
    nothing |= {name: UNKNOWN for name in (*AGREEMENT, *ERRORS)}
    page = render_calibration_page({"a": {"overall": nothing}}, {})
    assert "No judge gave scores" in page and "None" not in page


@pytest.mark.slow
def test_the_plot_has_a_row_for_each_judge():
    one, two = (
        imread(io.BytesIO(plot_calibration({f"judge {n} " + "x" * 300: result(events=n == 0) for n in range(judges)})))
        for judges in (1, 2)
    )
    assert one.shape[1] == two.shape[1] and two.shape[0] > 1.8 * one.shape[0]


def test_without_judges_there_is_nothing_to_show():
    for show in (plot_calibration, lambda results: render_calibration_page(results, {})):
        with pytest.raises(AtomError, match="at least one judge"):
            show({})
