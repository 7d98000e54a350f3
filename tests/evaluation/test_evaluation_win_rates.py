"""Win rates count prompts, not motions, and their intervals hold the share."""

import pandas as pd
import pytest

from atom.evaluation.win_rates import win_rates


def rows(outcomes, task="temporal", judge="kinematic", samples=2):
    """Base motions score 3; the tuned ones of a prompt are as far from there as its outcome says."""
    return [
        {
            "prompt_id": f"{task}{number}",
            "task": task,
            "arm": arm,
            "sample": sample,
            "judge": judge,
            "score": 3.0 + (outcome if arm == "tuned" else 0),
        }
        for number, outcome in enumerate(outcomes)
        for arm in ("base", "tuned")
        for sample in range(samples)
    ]


def by_task(found):
    return {row["task"]: row for row in found}


def test_shares_of_prompts_won_tied_and_lost():
    found = by_task(win_rates(pd.DataFrame(rows([1, 1, 0, -1]) + rows([1], "integrity"))))
    assert list(found) == ["overall", "integrity", "temporal"]
    temporal = found["temporal"]
    assert [temporal[name]["share"] for name in ("wins", "ties", "losses")] == [0.5, 0.25, 0.25]
    assert temporal["n"] == 4 and found["overall"]["n"] == 5 and found["overall"]["wins"]["share"] == pytest.approx(0.6)
    assert found["integrity"]["wins"] == {"share": 1.0, "low": 1.0, "high": 1.0}


def test_the_mean_of_a_prompts_samples_decides_and_sums_that_differ_by_rounding_are_ties():
    table = pd.DataFrame(rows([0.0]))
    table.loc[(table["arm"] == "tuned") & (table["sample"] == 0), "score"] = 3.3
    table.loc[(table["arm"] == "tuned") & (table["sample"] == 1), "score"] = 2.7
    assert by_task(win_rates(table))["temporal"]["ties"]["share"] == 1.0
    table = pd.DataFrame(rows([0.0], samples=2))
    table["score"] = [1.65, 1.65, 1.1, 2.2]  # base, base, tuned, tuned: 1.1 + 2.2 is 3.3000000000000003
    assert by_task(win_rates(table))["temporal"]["ties"]["share"] == 1.0


def test_intervals_narrow_with_more_prompts_and_come_again_with_the_seed():
    few, many = (by_task(win_rates(pd.DataFrame(rows([1, -1] * n))))["overall"]["wins"] for n in (5, 50))
    assert few["low"] < many["low"] < 0.5 < many["high"] < few["high"]
    assert win_rates(pd.DataFrame(rows([1, -1]))) == win_rates(pd.DataFrame(rows([1, -1])))


def test_what_has_no_score_and_prompts_of_one_model_are_left_out():
    table = pd.DataFrame(rows([1, -1]))
    table.loc[(table["prompt_id"] == "temporal1") & (table["arm"] == "tuned"), "score"] = None
    assert by_task(win_rates(table))["overall"]["n"] == 1
