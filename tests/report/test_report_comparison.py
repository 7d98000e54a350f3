"""Runs side by side: what each gained, and only what differs between their configs."""

import pytest
from report_runs import SCRIPT

from atom.errors import AtomError
from atom.report.report_builder import build_report
from atom.report.run_comparison import find_config_differences, render_comparison
from atom.report.run_tables import RunTables


@pytest.fixture(scope="module")
def reports(finished):
    return [build_report(RunTables(finished, finished.run(name))) for name in ("evaluated", "bolder", "paired")]


def test_only_fields_that_differ_are_listed():
    one = {"name": "a", "tuning": {"beta": 0.1, "r": 16}, "metrics": {"texts": 3}}
    other = {"name": "b", "tuning": {"beta": 0.1, "r": 8}, "metrics": None}
    found = find_config_differences([one, other, one])
    assert found["name"] == ["a", "b", "a"] and found["tuning.r"] == [16, 8, 16] and "tuning.beta" not in found
    assert found["metrics.texts"] == [3, None, 3]
    assert find_config_differences([one, one]) == {}


@pytest.mark.slow
def test_the_page_sets_gains_and_configs_side_by_side(reports):
    page = render_comparison(reports[:2])
    assert "tuning.beta" in page and ">0.1<" in page and ">0.5<" in page and "tuning.r" not in page
    gain = f"{reports[0].gains['kinematic']['overall'].gain:+.3f}"
    assert page.count(f">{gain}<") >= 2 and "All runs have the same prompts" in page
    assert page.count('role="img"') == 2 and SCRIPT not in page and "<script" not in page


def test_a_run_without_an_evaluation_stands_beside_the_others(reports):
    page = render_comparison(reports)
    assert "3 pairs of 3 of 3 prompts were built" in page and "paired" in page


def test_the_cost_of_a_run_is_the_sum_of_its_stages_or_unknown(reports):
    first, last = reports[0].stages[0], reports[0].stages[-1]
    stages = [first.model_copy(update={"cost": 0.25}), last.model_copy(update={"cost": 1.5})]
    known = reports[0].model_copy(update={"stages": stages})
    unknown = reports[1].model_copy(update={"stages": [stages[0], last.model_copy(update={"cost": None})]})
    assert ">1.7500<" in render_comparison([known, reports[1]]) and ">unknown<" not in render_comparison(reports[:2])
    assert ">unknown<" in render_comparison([known, unknown])


def test_two_different_runs_are_needed(reports):
    for few in (reports[:1], [reports[0], reports[0]]):
        with pytest.raises(AtomError, match="two or more different runs"):
            render_comparison(few)


def test_the_command(atom, finished, tmp_path):
    status, output, _ = atom(
        "report", "compare", "evaluated", "bolder", "--store", finished.root, "-o", tmp_path / "c.html"
    )
    assert status == 0 and "2 runs compared" in output and "<html" in (tmp_path / "c.html").read_text()
    status, _, output = atom(
        "report", "compare", "evaluated", "bolder", "--store", finished.root, "-o", tmp_path / "no/c.html"
    )
    assert status == 2 and "existing folder" in output
