"""The facts of a report and its summary."""

import json

import pytest
import yaml
from report_runs import TEST_PROMPTS

from atom.config import load_config
from atom.report.facts import RunReport
from atom.report.report_builder import build_report
from atom.report.sections import build_sections
from atom.report.wording import summarise_run

CHANGE = {"base": 3.0, "tuned": 3.4, "gain": 0.4, "gain_low": 0.2, "gain_high": 0.6, "n": 60, "verdict": "better"}


def changed(report, **updates):
    """The report with other data; sections of the config are merged."""
    data = json.loads(report.model_dump_json())
    for section, values in updates.pop("config", {}).items():
        data["config"][section] |= values
    return RunReport.model_validate(data | updates)


def test_the_data_come_back_the_same(report):
    assert RunReport.model_validate_json(report.model_dump_json()) == report
    assert report.format == 1


def test_figures_agree_with_the_record_and_with_each_other(report, tables):
    assert report.gains["learned"]["overall"].gain == tables.record["evaluation"]["learned"]["overall"]["gain"]
    rate = next(rate for rate in report.win_rates if (rate.judge, rate.task) == ("kinematic", "overall"))
    assert rate.wins.share + rate.ties.share + rate.losses.share == pytest.approx(1)
    assert rate.wins.share == 4 / TEST_PROMPTS and rate.losses.share == 1 / TEST_PROMPTS
    base = [row for row in report.scores if (row.judge, row.arm) == ("kinematic", "base")]
    assert sum(sum(row.counts) for row in base) == TEST_PROMPTS
    assert base[1].counts[-1] == 0 or base[0].counts[-1] == 0, "frequency is missed by every base motion"
    assert [stage.name for stage in report.stages] == [stage["name"] for stage in tables.record["stages"]]
    assert report.adapter.base_model == "atom-motion" and report.makers[0].packages["numpy"]


def test_the_config_that_is_shown_starts_the_run_again(paired, tmp_path):
    text = build_sections(build_report(paired)).methods[-1].code["run.yaml"]
    (tmp_path / "run.yaml").write_text(text)
    assert load_config(tmp_path / "run.yaml").model_dump(mode="json") == yaml.safe_load(text)


def test_the_summary_says_what_was_gained_and_by_whose_judgement(report):
    sentences = summarise_run(changed(report, gains={"kinematic": {"overall": CHANGE}, "learned": {"overall": CHANGE}}))
    assert sentences[0] == (
        "By the kinematic judge, on 60 held-out prompts, the mean score went from 3.00 to 3.40 "
        "(+0.40, 95 % interval +0.20 to +0.60): better."
    )
    text = " ".join(sentences)
    assert "The kinematic judge also chose the pairs" in text and "does not prove better motion" in text
    assert "The learned judge, which had no part in tuning, finds +0.40 (+0.20 to +0.60): better; on" in text
    assert "3 pairs of 3 training prompts" in text


def test_the_summary_says_which_judge_had_a_part_in_tuning(report):
    loop = " ".join(summarise_run(changed(report, config={"on_policy": {"steps": 90}})))
    assert "then for 90 steps with the judge in the loop" in loop and "gave the rewards and chose the pairs" in loop
    people = " ".join(summarise_run(changed(report, config={"external": {"preferences": "labels.jsonl"}})))
    assert "The kinematic judge had no part in tuning." in people and "does not prove" not in people
    second = " ".join(summarise_run(changed(report, config={"judging": {"judge": "learned"}})))
    assert "The learned judge, which also had a part in tuning" in second


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("within noise", "within noise"), "length over the truth and foot skate did not move beyond noise."),
        (
            ("lower", "within noise"),
            "length over the truth went from 3 to 3.4 (lower); foot skate did not move beyond noise.",
        ),
        (("too few prompts",) * 2, "there are too few prompts to measure length over the truth and foot skate."),
    ],
)
def test_guards_that_moved_are_named(report, verdicts, expected):
    guards = {name: CHANGE | {"verdict": verdict} for name, verdict in zip(("length_ratio", "foot_skate"), verdicts)}
    sentences = summarise_run(
        changed(report, gains={"kinematic": {"overall": CHANGE} | guards}, baselines={"kinematic": []})
    )
    assert sentences[-1] == f"Length and physics: {expected}"


def test_baselines_that_are_ahead_are_not_hidden(report):
    figures = [("sft", 0.2, "better"), ("best of 8", -0.1, "worse"), ("low_temperature", 0.0, "within noise")]
    baselines = [
        {"name": name, "figures": {}, "tuned_over_baseline": CHANGE | {"gain": gain, "verdict": verdict}}
        for name, gain, verdict in figures
    ]
    sentences = summarise_run(changed(report, baselines={"kinematic": baselines, "learned": []}))[-1]
    assert "ahead of sft (+0.20), behind best of 8 (-0.10) and about even with low_temperature (+0.00)" in sentences


def test_the_summary_says_that_models_are_external(report):
    sentences = " ".join(
        summarise_run(changed(report, config={"external": {"base": "base", "tuned": "tuned"}}, preferences=None))
    )
    assert "Both models are external" in sentences and "chose the pairs" not in sentences
