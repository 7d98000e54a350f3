"""Examples follow the rules that the report states, and show what the judge saw."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from atom.report.examples import _list_evidence, choose_examples
from atom.report.facts import Evidence


def titled(sets):
    return {chosen.title: chosen for chosen in sets}


def test_largest_gains_and_losses_are_those_of_the_table(tables):
    sets = titled(choose_examples(tables, 2))
    rows = tables.evaluation[tables.evaluation["judge"] == "kinematic"].set_index("prompt_id")
    change = rows[rows["arm"] == "tuned"]["score"] - rows[rows["arm"] == "base"]["score"]
    gains = [example.difference for example in sets["Largest gains"].examples]
    assert gains == pytest.approx(sorted(change, reverse=True)[:2]) and min(gains) > 0
    losses = sets["Largest losses"].examples
    assert [example.prompt_id for example in losses] == list(change[change < 0].index) == ["test-7"]
    assert losses[0].difference == pytest.approx(change["test-7"])
    assert f"rose in {(change > 0).sum()} of 8 pairs" in sets["Largest gains"].rule
    first = sets["Largest gains"].examples[0]
    assert [side.arm for side in first.sides] == ["base", "tuned"]
    assert {side.motion_id.split("-")[1] for side in first.sides} == {first.prompt_id.split("-")[1]}


def test_examples_are_in_the_order_of_their_change_and_ties_in_that_of_their_prompts(tables):
    changes = [-1.0, -3.0, 0.0, 2.0, -3.0, 0.5, 2.0, -2.0]  # of test-0 to test-7
    base = tables.evaluation[(tables.evaluation["judge"] == "kinematic") & (tables.evaluation["arm"] == "base")]
    tuned = base.assign(
        arm="tuned", score=base["score"] + base["prompt_id"].str[-1].astype(int).map(dict(enumerate(changes)))
    )
    rows = pd.concat([tuned, base]).sample(frac=1, random_state=0)
    names = ("record", "motions", "scores", "prompts")
    changed = SimpleNamespace(evaluation=rows, **{name: getattr(tables, name) for name in names})
    sets = titled(choose_examples(changed, 3))
    numbers = {title: [int(example.prompt_id[-1]) for example in chosen.examples] for title, chosen in sets.items()}
    assert numbers["Largest gains"] == [3, 6, 5] and numbers["Largest losses"] == [1, 4, 7]
    assert [example.difference for example in sets["Largest losses"].examples] == [-3.0, -3.0, -2.0]
    assert "rose in 3 of 8 pairs" in sets["Largest gains"].rule and "fell in 4 of 8" in sets["Largest losses"].rule


def test_the_random_ones_follow_the_seed_alone(tables):
    def drawn(seed):
        tables.record["config"]["seed"] = seed
        return [example.prompt_id for example in titled(choose_examples(tables, 4))["Random"].examples]

    assert drawn(0) == drawn(0) and len(set(drawn(0))) == 4
    assert len({tuple(drawn(seed)) for seed in range(5)}) > 1
    tables.record["config"]["seed"] = 0
    order = np.random.default_rng(0).permutation(8)
    assert drawn(0) == [f"test-{number}" for number in order[:4]]


def test_evidence_is_what_the_judge_found_missing_and_too_much(tables):
    first = titled(choose_examples(tables, 1))["Largest gains"].examples[0]
    base, tuned = ({found.action: found for found in side.evidence} for side in first.sides)
    assert base["jump_up"].state == "missing" and base["jump_up"].start is None
    assert tuned["jump_up"].state == "found" and tuned["jump_up"].seen == 2
    assert 0 <= tuned["jump_up"].start < tuned["jump_up"].end <= first.sides[1].frames


def test_an_event_that_counts_as_not_found_was_not_seen():
    """A judge may report how often it saw something that it does not take for the event."""
    verdict = {"action": "jump_up", "count": 2, "found": False, "seen_count": 1, "start": None, "end": None}
    seen = [
        {"action": "bow", "count": 1, "start": 0, "end": 9},
        {"action": "jump_up", "count": 1, "start": 5, "end": 9},
    ]
    evidence = list(_list_evidence({"verdicts": [verdict], "events": seen}, [{"action": "jump_up", "phrase": "jumps"}]))
    assert [(found.action, found.asked, found.seen, found.state) for found in evidence] == [
        ("jump_up", 2, 0, "missing"),
        ("bow", None, 1, "not asked"),
        ("jump_up", None, 1, "not asked"),
    ]
    assert [found.phrase for found in evidence] == ["jumps", "", ""]


def test_evidence_in_words():
    assert Evidence(action="squat", asked=2, seen=1, start=8, end=24, countable=True).description == (
        "asked twice, seen once, 0.4 to 1.2 s (frames 8 to 23)"
    )
    assert Evidence(action="squat", asked=2, seen=1, start=8, end=24, countable=True).state == "miscounted"
    walk = Evidence(action="walk_forward", asked=2, seen=1, start=0, end=20, countable=False)
    assert (walk.state, walk.description) == ("found", "asked, seen, 0.0 to 1.0 s (frames 0 to 19)")
    extra = Evidence(action="bow", asked=None, seen=3, start=0, end=20, countable=True)
    assert (extra.state, extra.description) == ("not asked", "seen 3 times, 0.0 to 1.0 s (frames 0 to 19)")


def test_without_an_evaluation_pairs_are_shown(paired):
    sets = titled(choose_examples(paired, 2))
    assert list(sets) == ["Largest margins", "Random"]
    margins = [example.difference for example in sets["Largest margins"].examples]
    assert margins == sorted((row["margin"] for row in paired.preferences), reverse=True)[:2]
    assert [side.arm for side in sets["Random"].examples[0].sides] == ["chosen", "rejected"]
    assert sets["Random"].examples[0].sides[1].evidence


def test_none_are_shown_where_none_are_asked_for(tables):
    assert choose_examples(tables, 0) == []
