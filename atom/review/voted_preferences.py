"""Votes as preferences: pairs that people decided, and a judge's pairs that people corrected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from atom.errors import AtomError
from atom.preferences.exporting import Annotations
from atom.preferences.labelled_rows import Annotation
from atom.preferences.pairs import Degree
from atom.report.run_tables import RunTables
from atom.review.tally import aggregate_pair_votes, pair_votes, aggregate_people_scores
from atom.review.votes import Vote

DecisionSource = Literal["human", "judge", "corrected"]
Row = dict[str, Any]

SEVERAL = 3  # votes that it takes to call a preference much better


def preferences_from_votes(decided_as: DecisionSource, votes: Sequence[Vote], tables: RunTables) -> list[Row]:
    """Rows of the preferences table of a run.

    - "human": the pairs that people compared, with what most of them prefer as chosen; evenly split ones are left out.
    - "judge": the run's own pairs, whatever people said.
    - "corrected": the run's own pairs; where most people prefer the rejected motion it becomes the chosen one, where
      they are evenly split the pair is left out.

    What people decided is `decided_by` annotator, and its degree is how far they agree (`preference_degree`), since
    nobody was asked how much better a motion is. Its scores are people's own, null where they gave none; those of a
    pair turned round stay the judge's, with a margin below 0.

    Raises AtomError for another word, and where people voted on motions that the run does not have.
    """
    if decided_as == "human":
        return _by_people(votes, tables)
    if decided_as == "judge":
        return tables.preferences
    if decided_as == "corrected":
        return _corrected(votes, tables)
    raise AtomError(f"unknown --as {decided_as!r}; choose {', '.join(get_args(DecisionSource))}")


def preference_degree(outcome: float, votes: int) -> Degree:
    """AToM's word for a share of `votes` (ties as half) for the better motion: how clear it is that it is better.

    All of three or more: "Much better"; five in six, or all of fewer votes: "Better"; two in three: "Slightly better";
    less: "Negligibly better/unsure"."""
    for_it = max(outcome, 1 - outcome)
    if for_it == 1 and votes >= SEVERAL:
        return "Much better"
    return "Better" if for_it >= 5 / 6 else "Slightly better" if for_it >= 2 / 3 else "Negligibly better/unsure"


def annotations_from_votes(votes: Iterable[Vote]) -> Annotations:
    """What each voter said of each pair of motions, in the order of the votes."""
    said: dict[frozenset[str], list[Annotation]] = defaultdict(list)
    for vote in pair_votes(votes).itertuples():
        better = {1.0: vote.motion_id, 0.0: vote.other_id}.get(vote.outcome)
        said[frozenset({vote.motion_id, vote.other_id})].append(Annotation(vote.voter, better))
    return said


def _by_people(votes: Sequence[Vote], tables: RunTables) -> list[Row]:
    scores = aggregate_people_scores(votes).set_index("motion_id")["score"].to_dict()
    rows = []
    for pair in aggregate_pair_votes(votes).itertuples():
        if pair.outcome == 0.5:
            continue
        chosen, rejected = (pair.motion_id, pair.other_id)[:: 1 if pair.outcome > 0.5 else -1]
        prompt = _known(tables.prompts, pair.prompt_id, "prompt", tables)
        given = scores.get(chosen), scores.get(rejected)
        rows.append(
            {
                "prompt_id": pair.prompt_id,
                "prompt": prompt["text"],
                "task": prompt["task"],
                "split": prompt["split"],
                "events": prompt["events"],
                "chosen_tokens": _known(tables.tokens, chosen, "motion", tables),
                "rejected_tokens": _known(tables.tokens, rejected, "motion", tables),
                "chosen_score": given[0],
                "rejected_score": given[1],
                "margin": None if None in given else given[0] - given[1],
                "degree": preference_degree(pair.outcome, pair.votes),
                "decided_by": "annotator",
                "chosen_motion_id": chosen,
                "rejected_motion_id": rejected,
            }
        )
    return rows


def _corrected(votes: Sequence[Vote], tables: RunTables) -> list[Row]:
    said = {frozenset({pair.motion_id, pair.other_id}): pair for pair in aggregate_pair_votes(votes).itertuples()}
    rows = []
    for row in tables.preferences:
        pair = said.get(frozenset({row["chosen_motion_id"], row["rejected_motion_id"]}))
        if pair is None:
            rows.append(row)
        elif pair.outcome != 0.5:
            preferred = pair.motion_id if pair.outcome > 0.5 else pair.other_id
            agreed = preferred == row["chosen_motion_id"]
            rows.append(row if agreed else _turned_round(row, preference_degree(pair.outcome, pair.votes)))
    return rows


def _turned_round(row: Row, degree: Degree) -> Row:
    sides = {
        f"{side}_{kind}": row[f"{other}_{kind}"]
        for side, other in (("chosen", "rejected"), ("rejected", "chosen"))
        for kind in ("tokens", "score", "motion_id")
    }
    margin = None if row["margin"] is None else -row["margin"]
    return row | sides | {"margin": margin, "degree": degree, "decided_by": "annotator"}


def _known(found: Mapping[str, Any], name: str, what: str, tables: RunTables) -> Any:
    if name not in found:
        raise AtomError(
            f"people voted on {what} {name}, which run {tables.run_id} does not have: name the run voted on"
        )
    return found[name]
