"""The comparison of judges, on scores whose agreement is known."""

import json

import numpy as np
import pandas as pd
import pytest
from small_run import RUN, TEST, small_run
from typer.testing import CliRunner

from atom.commands.report import report_app
from atom.errors import AtomError
from atom.evaluation.agreement import cohens_kappa, pair_accuracy, spearman, weighted_kappa
from atom.report.judge_comparison import compare_judge_scores
from atom.review.vote_files import locate_votes_file
from atom.review.vote_store import VoteStore
from atom.review.votes import Vote
from storage import Store


def rows(judge, scores, exact=None, cost=0.0, seconds=0.0):
    """Two motions a prompt, in order."""
    return pd.DataFrame(
        {
            "motion_id": [f"m{n}" for n in range(len(scores))],
            "prompt_id": [f"p{n // 2}" for n in range(len(scores))],
            "judge": judge,
            "score": scores,
            "exact": [True] * len(scores) if exact is None else exact,
            "cost": cost,
            "seconds": seconds,
        }
    )


def compared(*tables):
    found = compare_judge_scores(pd.concat([table.astype(object) for table in tables]), resamples=300)
    json.dumps(found, allow_nan=False)
    return found


def test_agreement_of_two_judges_is_that_of_the_measures():
    rng = np.random.default_rng(2)
    one = rng.integers(1, 6, 40).astype(float)
    other = np.clip(one + rng.integers(-1, 2, 40), 1, 5)
    exact, exact_other = one == 5, other == 5
    (pair,) = compared(rows("a", one, exact), rows("b", other, exact_other))["pairs"]
    prompts = [f"p{n // 2}" for n in range(40)]
    expected = {
        "weighted_kappa": weighted_kappa(one, other),
        "spearman": spearman(one, other),
        "exact_kappa": cohens_kappa(exact, exact_other),
        "pair_accuracy": pair_accuracy(one, other, prompts),
        "pair_accuracy_turned": pair_accuracy(other, one, prompts),
    }
    assert {name: pair[name]["value"] for name in expected} == pytest.approx(expected, abs=1e-4)
    assert all(pair[name]["interval"][0] <= pair[name]["value"] <= pair[name]["interval"][1] for name in expected)
    assert (pair["judges"], pair["n"], pair["prompts"]) == (["a", "b"], 40, 20)


def test_only_motions_that_both_scored_are_compared():
    one, other = [1.0, 2.0, np.nan, 4.0], [1.0, np.nan, 3.0, 4.0]
    found = compared(rows("a", one, [False, False, None, True], cost=0.02, seconds=3.0), rows("b", other, cost=None))
    assert found["pairs"][0]["n"] == 2
    judge = found["judges"]["a"]
    assert (judge["motions"], judge["prompts"], judge["unscored"]) == (4, 2, 0.25)
    assert judge["score"] == {"value": pytest.approx(7 / 3, abs=1e-4), "interval": None}
    assert (judge["cost"], judge["seconds"]) == (pytest.approx(0.02), 3.0)
    assert found["judges"]["b"]["cost"] is None
    thirds = compared(rows("a", [1.0, None, None], seconds=[0.5, 0.0, 1.5]), rows("b", [1.0] * 3, seconds=2 / 3))
    assert [thirds["judges"][name]["seconds"] for name in "ab"] == [0.6667, 0.6667], "to a tenth of a millisecond"
    assert thirds["judges"]["a"]["unscored"] == 0.6667
    mixed = compared(rows("a", other, cost=[0.02, 0.04, 0.0, 0.02]), rows("b", other, cost=[0.02, None, 0.0, 0.02]))
    assert [mixed["judges"][name]["cost"] for name in "ab"] == [pytest.approx(0.02), None]


def test_what_is_undefined_is_null():
    found = compared(rows("same", [3.0] * 20), rows("none", [np.nan] * 20, [None] * 20), rows("other", [3.0] * 20))
    assert found["judges"]["none"]["score"]["value"] is None and found["judges"]["none"]["unscored"] == 1
    assert [pair["n"] for pair in found["pairs"]] == [0, 20, 0]
    measures = ("weighted_kappa", "spearman", "exact_kappa", "pair_accuracy")
    assert all(pair[name]["value"] is None for pair in found["pairs"] for name in measures)
    assert compared(rows("alone", [3.0, 4.0]))["pairs"] == []


def call(*arguments):
    return CliRunner().invoke(report_app, ["judges", *map(str, arguments)], env={"COLUMNS": "120"})


def test_the_judges_of_a_run_with_people_among_them(tmp_path):
    store = small_run(tmp_path / "store")
    without = json.loads(call(RUN, "--store", store.root, "--json").stdout)
    assert list(without["judges"]) == ["kinematic", "learned"] and without["pairs"][0]["n"] == 2 * len(TEST)
    book = VoteStore(locate_votes_file(store, RUN))
    for n in TEST:
        book.cast(Vote("ann", f"i{n}", f"p{n}", "frequency", (f"base{n}",), ("base",), score=1 + n % 5, seconds=3.0))
    found = json.loads(call("--store", store.root, "--json").stdout)
    assert list(found["judges"]) == ["kinematic", "learned", "people"]
    assert found["judges"]["people"]["seconds"] == 3.0 and found["judges"]["people"]["cost"] is None
    assert [pair["n"] for pair in found["pairs"]] == [14, 7, 7]
    shown = call("--store", store.root).stdout
    assert "kinematic and people, 7 motions of 7 prompts" in shown and "weighted kappa" in shown


def test_a_run_without_scores_is_refused(tmp_path):
    store = Store(str(tmp_path))
    store.save_run("r", {"config": {}, "state": "completed", "stages": []})
    assert "no judge scored a motion of run r" in str(call("--store", store.root).exception)
    assert isinstance(call("--store", store.root).exception, AtomError)
