"""The examples of a report, chosen by rules that anyone can apply again, never by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from atom.evaluation.comparison import BASE, TUNED
from atom.events import counts_repetitions
from atom.report.facts import Evidence, ExampleMotion, ExampleSet, MotionPair
from atom.report.run_tables import RunTables

_TIES = "One example per prompt; ties are broken by the prompt's id."


def choose_examples(tables: RunTables, count: int) -> list[ExampleSet]:
    """Chooses the examples of a report.

    Args:
        tables: the run.
        count: the most examples of each rule.

    Returns:
        One set per rule: of base and tuned motions, or of the preference pairs where the run has no evaluation.
    """
    if not count:
        return []
    return (
        _choose_test_pairs(tables, count)
        if tables.record.get("evaluation")
        else _choose_preference_pairs(tables, count)
    )


def _choose_test_pairs(tables: RunTables, count: int) -> list[ExampleSet]:
    judge = next(iter(tables.record["evaluation"]))
    rows = tables.evaluation[tables.evaluation["judge"] == judge]
    index = ["prompt_id", "sample"]
    base, tuned = (rows[rows["arm"] == arm].set_index(index)[["motion_id", "score"]] for arm in (BASE, TUNED))
    pairs = base.join(tuned, how="inner", lsuffix="_first", rsuffix="_second").reset_index().sort_values(index)
    pairs["difference"] = pairs["score_second"] - pairs["score_first"]
    better, worse = (pairs["difference"] > 0).sum(), (pairs["difference"] < 0).sum()
    rising = pairs.sort_values(
        "difference", kind="stable"
    )  # stable: ties keep the order of prompt ids in both directions
    falling = pairs.sort_values("difference", ascending=False, kind="stable")
    of_pairs = f"of {len(pairs):,} pairs of a base and a tuned motion"
    chosen = {
        (
            "Largest gains",
            f"Where the {judge} judge's score rose most; it rose in {better:,} {of_pairs}. {_TIES}",
        ): _keep_one_per_prompt(falling[falling["difference"] > 0]),
        (
            "Largest losses",
            f"Where the {judge} judge's score fell most; it fell in {worse:,} {of_pairs}. {_TIES}",
        ): _keep_one_per_prompt(rising[rising["difference"] < 0]),
        _random_rule(tables): _shuffle(pairs, tables),
    }
    return _build_sets(chosen, count, "tuned minus base", lambda row: _build_example(tables, row, (BASE, TUNED), judge))


def _choose_preference_pairs(tables: RunTables, count: int) -> list[ExampleSet]:
    motions = set(tables.motions.index)
    rows = [
        {
            "prompt_id": row["prompt_id"],
            "difference": row["margin"],
            "motion_id_first": row["chosen_motion_id"],
            "motion_id_second": row["rejected_motion_id"],
        }
        for row in tables.preferences
        if {row["chosen_motion_id"], row["rejected_motion_id"]} <= motions
    ]
    if not rows:
        return []
    pairs = pd.DataFrame(rows).sort_values(["prompt_id", "motion_id_first", "motion_id_second"])
    judge = tables.record["config"]["judging"]["judge"]
    by_margin = pairs[pairs["difference"].notna()].sort_values("difference", ascending=False, kind="stable")
    chosen = {
        (
            "Largest margins",
            f"Where the scores of chosen and rejected differ most, of {len(pairs):,} pairs. {_TIES}",
        ): _keep_one_per_prompt(by_margin),
        _random_rule(tables): _shuffle(pairs, tables),
    }
    return _build_sets(
        chosen, count, "chosen minus rejected", lambda row: _build_example(tables, row, ("chosen", "rejected"), judge)
    )


def _random_rule(tables: RunTables) -> tuple[str, str]:
    seed = tables.record["config"]["seed"]
    return (
        "Random",
        f"Drawn from all pairs of motions with the run's seed, {seed}, whatever their scores. One example per prompt.",
    )


def _shuffle(pairs: pd.DataFrame, tables: RunTables) -> pd.DataFrame:
    order = np.random.default_rng(tables.record["config"]["seed"]).permutation(len(pairs))
    return _keep_one_per_prompt(pairs.iloc[order])


def _keep_one_per_prompt(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs.drop_duplicates("prompt_id")


def _build_sets(
    chosen: dict[tuple[str, str], pd.DataFrame], count: int, difference: str, example: Callable[[Any], MotionPair]
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


def _build_example(tables: RunTables, row: Any, arms: tuple[str, str], judge: str) -> MotionPair:
    prompt = tables.prompts[row.prompt_id]
    sides = [
        _build_motion(tables, arm, name, judge, prompt["events"])
        for arm, name in zip(arms, (row.motion_id_first, row.motion_id_second))
    ]
    return MotionPair(
        prompt_id=row.prompt_id,
        prompt=prompt["text"],
        task=prompt["task"],
        sides=(sides[0], sides[1]),
        difference=None if pd.isna(row.difference) else float(row.difference),
    )


def _build_motion(
    tables: RunTables, arm: str, motion_id: str, judge: str, events: list[dict[str, Any]]
) -> ExampleMotion:
    score = tables.scores.get((motion_id, judge), {})
    return ExampleMotion(
        arm=arm,
        motion_id=motion_id,
        frames=int(tables.motions.loc[motion_id, "frames"]),
        score=score.get("score"),
        rationale=score.get("rationale") or score.get("error") or "",
        evidence=list(_list_evidence(score, events)),
    )


def _list_evidence(score: dict[str, Any], events: list[dict[str, Any]]) -> Iterable[Evidence]:
    """The events of the prompt as the judge saw them, then the events that it saw besides."""
    verdicts = score.get("verdicts") or []
    # A judge gives a verdict on each event of the prompt, in order; only the prompt has their words and groups.
    is_complete = [row["action"] for row in verdicts] == [row["action"] for row in events]
    for verdict, event in zip(verdicts, events if is_complete else [{}] * len(verdicts), strict=True):
        yield Evidence(
            action=verdict["action"],
            asked=verdict["count"],
            seen=verdict["seen_count"] if verdict["found"] else 0,
            start=verdict["start"],
            end=verdict["end"],
            countable=counts_repetitions(verdict["action"]),
            phrase=event.get("phrase") or "",
            uncounted=verdict["count"] is None,
            group=event.get("group"),
        )
    listed = {(verdict["action"], verdict["start"]) for verdict in verdicts}
    for event in score.get("events") or []:
        if (event["action"], event["start"]) not in listed:
            yield Evidence(
                action=event["action"],
                asked=None,
                seen=event["count"],
                start=event["start"],
                end=event["end"],
                countable=counts_repetitions(event["action"]),
            )
