"""Which motions a report shows: by rules that anyone can apply again, never by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from atom.evaluation.comparison import BASE, TUNED
from atom.events import ACTIONS
from atom.report.facts import Evidence, Example, ExampleSet, Side
from atom.report.run_tables import RunTables

_TIES = "One a prompt; ties by the prompt's id."


def choose_examples(tables: RunTables, count: int) -> list[ExampleSet]:
    """At most `count` examples by each rule: of base and tuned, or, without an evaluation, of the pairs."""
    if not count:
        return []
    return _evaluated(tables, count) if "evaluation" in tables.record else _paired(tables, count)


def _evaluated(tables: RunTables, count: int) -> list[ExampleSet]:
    judge = next(iter(tables.record["evaluation"]))
    seen = tables.evaluation[tables.evaluation["judge"] == judge]
    place = ["prompt_id", "sample"]
    base, tuned = (seen[seen["arm"] == arm].set_index(place)[["motion_id", "score"]] for arm in (BASE, TUNED))
    pairs = base.join(tuned, how="inner", lsuffix="_first", rsuffix="_second").reset_index().sort_values(place)
    pairs["difference"] = pairs["score_second"] - pairs["score_first"]
    better, worse = (pairs["difference"] > 0).sum(), (pairs["difference"] < 0).sum()
    rising = pairs.sort_values("difference", kind="stable")  # the first of a tie stays the first, both ways
    falling = pairs.sort_values("difference", ascending=False, kind="stable")
    of = f"of {len(pairs):,} pairs of a base and a tuned motion"
    chosen = {
        (
            "Largest gains",
            f"Where the {judge} judge's score rose most; it rose in {better:,} {of}. {_TIES}",
        ): _first_of_each_prompt(falling[falling["difference"] > 0]),
        (
            "Largest losses",
            f"Where the {judge} judge's score fell most; it fell in {worse:,} {of}. {_TIES}",
        ): _first_of_each_prompt(rising[rising["difference"] < 0]),
        _random(tables): _drawn(pairs, tables),
    }
    return _sets(chosen, count, "tuned minus base", lambda row: _example(tables, row, (BASE, TUNED), judge))


def _paired(tables: RunTables, count: int) -> list[ExampleSet]:
    known = set(tables.motions.index)
    rows = [
        {
            "prompt_id": row["prompt_id"],
            "difference": row["margin"],
            "motion_id_first": row["chosen_motion_id"],
            "motion_id_second": row["rejected_motion_id"],
        }
        for row in tables.preferences
        if {row["chosen_motion_id"], row["rejected_motion_id"]} <= known
    ]
    if not rows:
        return []
    pairs = pd.DataFrame(rows).sort_values(["prompt_id", "motion_id_first", "motion_id_second"])
    judge = tables.record["config"]["judging"]["judge"]
    by_margin = pairs[pairs["difference"].notna()].sort_values("difference", ascending=False, kind="stable")
    chosen = {
        (
            "Largest margins",
            f"Where the scores of chosen and rejected are furthest apart, of {len(pairs):,} pairs. {_TIES}",
        ): _first_of_each_prompt(by_margin),
        _random(tables): _drawn(pairs, tables),
    }
    return _sets(
        chosen, count, "chosen minus rejected", lambda row: _example(tables, row, ("chosen", "rejected"), judge)
    )


def _random(tables: RunTables) -> tuple[str, str]:
    seed = tables.record["config"]["seed"]
    return (
        "Random",
        f"Drawn from all pairs of motions with the run's seed, {seed}, whatever their scores. One a prompt.",
    )


def _drawn(pairs: pd.DataFrame, tables: RunTables) -> pd.DataFrame:
    order = np.random.default_rng(tables.record["config"]["seed"]).permutation(len(pairs))
    return _first_of_each_prompt(pairs.iloc[order])


def _first_of_each_prompt(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs.drop_duplicates("prompt_id")


def _sets(
    chosen: dict[tuple[str, str], pd.DataFrame], count: int, difference: str, example: Callable[[Any], Example]
) -> list[ExampleSet]:
    return [
        ExampleSet(
            title=title,
            rule=rule,
            difference=difference,
            examples=[example(row) for row in pairs.head(count).itertuples()],
        )
        for (title, rule), pairs in chosen.items()
    ]


def _example(tables: RunTables, row: Any, arms: tuple[str, str], judge: str) -> Example:
    prompt = tables.prompts[row.prompt_id]
    sides = [_side(tables, arm, name, judge) for arm, name in zip(arms, (row.motion_id_first, row.motion_id_second))]
    return Example(
        prompt_id=row.prompt_id,
        prompt=prompt["text"],
        task=prompt["task"],
        sides=(sides[0], sides[1]),
        difference=None if pd.isna(row.difference) else float(row.difference),
    )


def _side(tables: RunTables, arm: str, motion_id: str, judge: str) -> Side:
    said = tables.scores.get((motion_id, judge), {})
    return Side(
        arm=arm,
        motion_id=motion_id,
        frames=int(tables.motions.loc[motion_id, "frames"]),
        score=said.get("score"),
        rationale=said.get("rationale") or said.get("error") or "",
        evidence=list(_evidence(said)),
    )


def _evidence(said: dict[str, Any]) -> Iterable[Evidence]:
    """Each asked event with what was seen of it, then what was seen without being asked."""
    verdicts = said.get("verdicts") or []
    for verdict in verdicts:
        yield Evidence(
            action=verdict["action"],
            asked=verdict["count"],
            seen=verdict["seen_count"] if verdict["found"] else 0,
            start=verdict["start"],
            end=verdict["end"],
            countable=_countable(verdict["action"]),
        )
    accounted = {(verdict["action"], verdict["start"]) for verdict in verdicts}
    for event in said.get("events") or []:
        if (event["action"], event["start"]) not in accounted:
            yield Evidence(
                action=event["action"],
                asked=None,
                seen=event["count"],
                start=event["start"],
                end=event["end"],
                countable=_countable(event["action"]),
            )


def _countable(action: str) -> bool:
    return action not in ACTIONS or ACTIONS[action].countable
