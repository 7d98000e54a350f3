"""Preference pairs from votes: pairs that people decided, and a judge's pairs that people corrected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from atom.errors import AtomError
from atom.preferences.exporting import Annotations
from atom.preferences.labelled_rows import Annotation
from atom.preferences.pairs import Degree
from atom.report.run_tables import RunTables
from atom.review.tally import aggregate_pair_votes, aggregate_people_scores, tabulate_pair_votes
from atom.review.votes import DecisionSource, Vote

Row = dict[str, Any]

MIN_UNANIMOUS_VOTES = 3  # unanimous votes that make a preference "Much better"


def preferences_from_votes(source: DecisionSource, votes: Sequence[Vote], tables: RunTables) -> list[Row]:
    """Builds rows of the preferences table.

    Pairs that people decided have `decided_by` annotator. Their `degree` says how far people agree
    (`preference_degree`), because the page does not ask how much better a motion is. Their scores are the means of
    people, null where people gave none. A swapped pair keeps the judge's scores, so its margin is negative.

    Args:
        source: "human" for the pairs that people compared, with the motion that most of them prefer as chosen, without
            evenly split pairs; "judge" for the run's own pairs, whatever people voted; "corrected" for the run's own
            pairs, where chosen and rejected are swapped if most people prefer the rejected motion, without pairs on
            which people are evenly split.
        votes: the votes.
        tables: the run that people voted on.

    Returns:
        The rows.

    Raises:
        AtomError: the source is unknown, or people voted on motions that the run does not have.
    """
    if source == "human":
        return _build_human_pairs(votes, tables)
    if source == "judge":
        return tables.preferences
    if source == "corrected":
        return _correct_pairs(votes, tables)
    raise AtomError(f"unknown --as {source!r}; choose {', '.join(get_args(DecisionSource))}")


def preference_degree(outcome: float, votes: int) -> Degree:
    """AToM's degree of preference, from how far people agree on which motion is better.

    Args:
        outcome: share of the votes for one of the motions, ties as half.
        votes: number of votes.

    Returns:
        "Much better" if all of three or more votes agree, "Better" if five in six agree or all of fewer votes,
        "Slightly better" if two in three agree, otherwise "Negligibly better/unsure".
    """
    majority = max(outcome, 1 - outcome)
    if majority == 1 and votes >= MIN_UNANIMOUS_VOTES:
        return "Much better"
    return "Better" if majority >= 5 / 6 else "Slightly better" if majority >= 2 / 3 else "Negligibly better/unsure"


def annotations_from_votes(votes: Iterable[Vote]) -> Annotations:
    """The choice of each voter on each pair of motions, in the order of the votes."""
    annotations: dict[frozenset[str], list[Annotation]] = defaultdict(list)
    for vote in tabulate_pair_votes(votes).itertuples():
        better = {1.0: vote.motion_id, 0.0: vote.other_id}.get(vote.outcome)
        annotations[frozenset({vote.motion_id, vote.other_id})].append(Annotation(vote.voter, better))
    return annotations


def _build_human_pairs(votes: Sequence[Vote], tables: RunTables) -> list[Row]:
    scores = aggregate_people_scores(votes).set_index("motion_id")["score"].to_dict()
    rows = []
    for pair in aggregate_pair_votes(votes).itertuples():
        if pair.outcome == 0.5:
            continue
        chosen, rejected = (pair.motion_id, pair.other_id)[:: 1 if pair.outcome > 0.5 else -1]
        prompt = _look_up(tables.prompts, pair.prompt_id, "prompt", tables)
        chosen_score, rejected_score = scores.get(chosen), scores.get(rejected)
        is_scored = chosen_score is not None and rejected_score is not None
        rows.append(
            {
                "prompt_id": pair.prompt_id,
                "prompt": prompt["text"],
                "task": prompt["task"],
                "split": prompt["split"],
                "events": prompt["events"],
                "chosen_tokens": _look_up(tables.tokens, chosen, "motion", tables),
                "rejected_tokens": _look_up(tables.tokens, rejected, "motion", tables),
                "chosen_score": chosen_score,
                "rejected_score": rejected_score,
                "margin": chosen_score - rejected_score if is_scored else None,
                "degree": preference_degree(pair.outcome, pair.votes),
                "decided_by": "annotator",
                "chosen_motion_id": chosen,
                "rejected_motion_id": rejected,
            }
        )
    return rows


def _correct_pairs(votes: Sequence[Vote], tables: RunTables) -> list[Row]:
    by_motions = {frozenset({pair.motion_id, pair.other_id}): pair for pair in aggregate_pair_votes(votes).itertuples()}
    rows = []
    for row in tables.preferences:
        pair = by_motions.get(frozenset({row["chosen_motion_id"], row["rejected_motion_id"]}))
        if pair is None:
            rows.append(row)
        elif pair.outcome != 0.5:
            preferred = pair.motion_id if pair.outcome > 0.5 else pair.other_id
            is_confirmed = preferred == row["chosen_motion_id"]
            rows.append(row if is_confirmed else _swap_sides(row, preference_degree(pair.outcome, pair.votes)))
    return rows


def _swap_sides(row: Row, degree: Degree) -> Row:
    sides = {
        f"{side}_{kind}": row[f"{other}_{kind}"]
        for side, other in (("chosen", "rejected"), ("rejected", "chosen"))
        for kind in ("tokens", "score", "motion_id")
    }
    margin = None if row["margin"] is None else -row["margin"]
    return row | sides | {"margin": margin, "degree": degree, "decided_by": "annotator"}


def _look_up(by_id: Mapping[str, Any], key: str, kind: str, tables: RunTables) -> Any:
    if key not in by_id:
        raise AtomError(
            f"people voted on {kind} {key}, which run {tables.run_id} does not have: name the run that they voted on"
        )
    return by_id[key]
