"""The sentences of a report, on figures whose words are known."""

from types import SimpleNamespace

import pytest

from atom.judging.coverage import JudgeCoverage
from atom.report.facts import Baseline, Change, Share, WinRate
from atom.report.wording import (
    _describe_baselines,
    _describe_guards,
    _describe_judge_role,
    _describe_second_judge,
    _describe_wins,
    describe_coverage,
    format_interval,
    format_percent,
    join_words,
    name_figure,
)


def change(verdict="better", base=3.0, tuned=3.5, low: float | None = 0.25, high: float | None = 0.75):
    return Change(base=base, tuned=tuned, gain=tuned - base, gain_low=low, gain_high=high, n=60, verdict=verdict)


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_words_in_a_sentence(words, text):
    assert join_words(words) == text


def test_numbers_in_a_sentence():
    assert format_interval(change()) == "+0.25 to +0.75" and format_interval(change(low=-0.126), 1) == "-0.1 to +0.8"
    assert format_interval(change(low=None)) == format_interval(change(high=None)) == ""
    assert [format_percent(share) for share in (0.0, 0.126, 1.0)] == ["0\xa0%", "13\xa0%", "100\xa0%"]
    names = [name_figure(name) for name in ("exact_match", "events_1", "events_2", "events_4_or_more")]
    assert names == ["exact match", "1 event", "2 events", "4 or more events"]


def test_a_tuned_model_is_ahead_of_baselines_over_which_it_is_better():
    verdicts = {"best_of_2": "worse", "sft": "better", "low_temperature": "within noise", "few": "too few prompts"}
    baselines = [
        Baseline(name=name, figures={}, tuned_over_baseline=change(verdict)) for name, verdict in verdicts.items()
    ]
    text = _describe_baselines(SimpleNamespace(baselines={"kinematic": baselines}), "kinematic")
    assert "ahead of sft (+0.50), behind best_of_2 (+0.50) and about even with low_temperature" in text
    assert "low_temperature (+0.50) and few (+0.50)." in text


def test_guards_that_moved_that_did_not_and_that_are_unknown():
    guards = {
        "length_ratio": change("higher", 1.0, 1.25),
        "foot_skate": change("within noise"),
        "jerk": change("too few prompts"),
    }
    text = _describe_guards(guards)
    assert "length over the truth went from 1 to 1.25 (higher); foot skate did not move beyond noise; " in text
    assert text.endswith("there are too few prompts to measure jerk.")
    assert (
        _describe_guards({"jerk": change("worse", 40.0, 50.0)})
        == "Length and physics: jerk went from 40 to 50 (worse)."
    )


@pytest.mark.parametrize(
    ("training_judge", "steps", "reward", "words"),
    [
        ("kinematic", 90, "judge", "also gave the rewards and chose the pairs"),
        ("kinematic", 90, "model", "also chose the pairs"),
        ("kinematic", 0, "judge", "also chose the pairs"),
        ("vision", 90, "judge", "had no part in tuning"),
        (None, 0, "judge", "had no part in tuning"),
    ],
)
def test_the_part_that_a_judge_had_in_tuning(training_judge, steps, reward, words):
    config = {"on_policy": {"steps": steps, "reward": reward}}
    report = SimpleNamespace(training_judge=training_judge, config=config)
    assert words in _describe_judge_role(report, "kinematic")


def test_a_second_judge_and_its_agreement():
    agreement = [
        SimpleNamespace(judges=("kinematic", "other"), n=9, kappa=0.9),
        SimpleNamespace(judges=("learned", "kinematic"), n=120, kappa=0.456),
    ]
    report = SimpleNamespace(training_judge="kinematic", agreement=agreement)
    text = _describe_second_judge(report, "kinematic", "learned", change("within noise"))
    assert "which had no part in tuning, finds +0.50 (+0.25 to +0.75): within noise" in text
    assert text.endswith("on 120 motions the two judges agree about exact match with kappa 0.46.")
    agreement[1].kappa, report.training_judge = None, "learned"
    text = _describe_second_judge(report, "kinematic", "learned", change("better", low=None))
    assert text == "The learned judge, which also had a part in tuning, finds +0.50: better."


def test_wins_ties_and_losses_are_in_this_order():
    shares = [Share(share=share, low=0.0, high=1.0) for share in (0.5, 0.3, 0.2)]
    rate = WinRate(judge="k", task="overall", n=10, wins=shares[0], ties=shares[1], losses=shares[2])
    text = "The tuned model wins 50\xa0% of the prompts, ties 30\xa0% and loses 20\xa0%."
    assert _describe_wins(rate) == text


def test_what_was_not_judged_and_who_judged_the_rest():
    all_scored = JudgeCoverage("kinematic", motions=10, scored=10)
    some = JudgeCoverage("kinematic", motions=2000, scored=1400, not_judged=500, failed=100)
    auto = JudgeCoverage("auto", motions=100, scored=90, not_judged=10, by_vision=30)
    assert describe_coverage([all_scored]) == []
    not_judged, failed = describe_coverage([all_scored, some])
    assert "did not judge 500 of 2,000 motions (25\xa0%)" in not_judged
    assert "gave no score to 100 of 2,000 motions (5\xa0%)" in failed
    shares, _ = describe_coverage([auto])
    assert "sent 30 of 100 motions (30\xa0%) to the vision judge and 60 (60\xa0%) to the kinematic judge." in shares
