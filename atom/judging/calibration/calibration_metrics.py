"""The judge against the truth: agreement of scores, and errors about events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from atom.errors import AtomError
from atom.evaluation.agreement import (
    LEVELS,
    confusion,
    krippendorff_alpha,
    pair_accuracy,
    share,
    spearman,
    weighted_kappa,
)
from atom.evaluation.resampling import Measure, PromptResamples
from atom.events import ACTIONS, TASKS, Composition
from atom.judging import rubric
from atom.judging.calibration.calibration_clip import CalibrationClip

Vote = tuple[float | None, Sequence[rubric.CountedAction] | None]
"""The score and the seen events of one answer; None where the judge gave none."""
Judged = Mapping[str, Sequence[Vote]]

AGREEMENT = ("weighted_kappa", "krippendorff_alpha", "alpha_among_votes", "spearman", "pair_accuracy")
ERRORS = ("mean_error", "absolute_error")
EVENT_ERRORS = ("missed", "invented", "miscounted", "misordered")


def calibrate(
    clips: Sequence[CalibrationClip], judged: Judged, *, resamples: int = 1000, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """What a judge is worth on clips, `overall` and for each task that they have, ready for JSON.

    judged gives for each clip_id the votes of the judge, (score or None, seen events or None) each; a clip's score is
    the mean of its votes. Each figure is `{value, interval}`, both None where undefined, the interval [low, high] of
    95 % by a bootstrap over prompts, None with too few prompts:

    - `weighted_kappa`, `krippendorff_alpha` (interval metric), `spearman` and `pair_accuracy` (over pairs of motions of
      one prompt) of truth and judge; `alpha_among_votes` of the votes with each other, the truth aside;
    - `mean_error` (judge minus truth) and `absolute_error`, in points;
    - of the asked actions, with `n` chances to be wrong, each vote by itself: `missed`, the share of those done that it
      did not see; `invented`, of those not done that it saw; `miscounted`, of the countable ones done and seen that it
      counted otherwise; `misordered`, of the pairs of events done and seen that it saw in the other order. A clip
      whose events aren't known and a vote without events tell nothing here.

    Besides these `n` scored and `unscored` clips, `prompts`, and `confusion`, counts with a row for each level of truth
    and a column for each level of the judge, both rounded, halves up.
    Raises AtomError when there is no clip, a clip_id occurs twice, is judged but not there, or a score is not 1 to 5.
    """
    _check(clips, judged)
    groups = {"overall": list(clips)} | {task: [clip for clip in clips if clip.task == task] for task in TASKS}
    return {name: _figures(group, judged, resamples, seed) for name, group in groups.items() if group}


def compare_judges(
    clips: Sequence[CalibrationClip], judges: Mapping[str, Judged], *, resamples: int = 1000, seed: int = 0
) -> list[dict[str, Any]]:
    """For each two judges `{judges: [better, other], n, prompts, gain, interval, verdict}`: how far the weighted kappa
    of the better is ahead on the clips that both scored, by a paired bootstrap over prompts.

    The verdict is "better", "within noise" or "too few prompts". Raises AtomError as `calibrate` does.
    """
    scores = {}
    for name, judged in judges.items():
        _check(clips, judged)
        scores[name] = _scores(clips, judged)
    truth = np.array([clip.truth for clip in clips])
    prompts = PromptResamples([clip.prompt_id for clip in clips], resamples, seed)
    compared = []
    for names in combinations(scores, 2):
        both = np.isfinite([scores[name] for name in names]).all(0)
        kappas = {name: partial(weighted_kappa, truth[both], scores[name][both]) for name in names}
        better, other = sorted(names, key=lambda name: -np.nan_to_num(kappas[name]()))

        def gain(better: Measure = kappas[better], other: Measure = kappas[other], *, weights: np.ndarray) -> Any:
            return better(weights=weights) - other(weights=weights)

        figure = prompts.figure(gain, both)
        interval = figure["interval"]
        verdict = "too few prompts" if interval is None else "better" if interval[0] > 0 else "within noise"
        compared.append(
            {
                "judges": [better, other],
                "n": int(both.sum()),
                "prompts": prompts.count(both),
                "gain": figure["value"],
                "interval": interval,
                "verdict": verdict,
            }
        )
    return compared


def _check(clips: Sequence[CalibrationClip], judged: Judged) -> None:
    if not clips:
        raise AtomError("there is no clip to calibrate a judge on: make some or give a labelled set")
    known = Counter(clip.clip_id for clip in clips)
    twice = [clip_id for clip_id, times in known.items() if times > 1]
    if twice:
        raise AtomError(f"clip {twice[0]!r} occurs more than once among the calibration clips: give each once")
    for clip_id, votes in judged.items():
        if clip_id not in known:
            raise AtomError(f"clip {clip_id!r} was judged, but is not among the calibration clips: pass the same clips")
        for score, _ in votes:
            if score is not None and not 1 <= score <= LEVELS:
                raise AtomError(f"clip {clip_id!r} has the score {score}, give 1 to {LEVELS}, or None for no score")


def _figures(clips: list[CalibrationClip], judged: Judged, resamples: int, seed: int) -> dict[str, Any]:
    prompts = PromptResamples([clip.prompt_id for clip in clips], resamples, seed)
    votes, scores = _vote_scores(clips, judged), _scores(clips, judged)
    scored = np.isfinite(scores)
    truth, scores = np.array([clip.truth for clip in clips])[scored], scores[scored]
    asked_for = [clip.prompt_id for clip, there in zip(clips, scored, strict=True) if there]
    measures: dict[str, Measure] = {
        "weighted_kappa": partial(weighted_kappa, truth, scores),
        "krippendorff_alpha": partial(krippendorff_alpha, np.stack([truth, scores])),
        "alpha_among_votes": partial(krippendorff_alpha, votes[:, scored]),
        "spearman": partial(spearman, truth, scores),
        "pair_accuracy": partial(pair_accuracy, truth, scores, asked_for),
        "mean_error": partial(share, scores - truth),
        "absolute_error": partial(share, np.abs(scores - truth)),
    }
    return {
        "n": int(scored.sum()),
        "unscored": int((~scored).sum()),
        "prompts": prompts.prompts,
        "confusion": confusion(truth, scores).astype(int).tolist(),
        **{name: prompts.figure(measure, scored) for name, measure in measures.items()},
        **_event_figures(clips, judged, prompts),
    }


def _event_figures(clips: list[CalibrationClip], judged: Judged, prompts: PromptResamples) -> dict[str, dict[str, Any]]:
    chances: dict[str, list[tuple[int, bool]]] = {name: [] for name in EVENT_ERRORS}
    for number, clip in enumerate(clips):
        for _, seen in judged.get(clip.clip_id, ()):
            if clip.done is not None and seen is not None:
                for name, wrong in _chances(clip.asked, clip.done, seen):
                    chances[name].append((number, wrong))
    figures = {}
    for name, found in chances.items():
        at, wrong = np.array(found, int).reshape(-1, 2).T
        figures[name] = {"n": len(found), **prompts.figure(partial(share, wrong), at)}
    return figures


def _chances(asked: Composition, done: Composition, seen: Sequence[rubric.CountedAction]) -> Iterator[tuple[str, bool]]:
    """Each chance to err about the asked actions, and whether it was taken. What wasn't asked for isn't looked at: a
    judge that is given a list of actions tells only of these."""
    actions = {event.action for event in asked}
    truly, told = (
        rubric.merge_repeats([event for event in events if event.action in actions]) for events in (done, seen)
    )
    counts, told_counts = _totals(truly), _totals(told)
    for action in sorted(actions):
        if action not in counts:
            yield "invented", action in told_counts
            continue
        yield "missed", action not in told_counts
        if action in told_counts and ACTIONS[action].countable:
            yield "miscounted", counts[action] != told_counts[action]
    matched = rubric.matches([action for action, _ in truly], [action for action, _ in told])
    for (_, earlier, _), (_, later, _) in combinations(matched, 2):
        yield "misordered", earlier > later


def _totals(events: list[tuple[str, int]]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for action, count in events:
        totals[action] += count
    return totals


def _vote_scores(clips: Sequence[CalibrationClip], judged: Judged) -> np.ndarray:
    """(votes, clips), nan where a vote has no score; one row at least."""
    given = [[score for score, _ in judged.get(clip.clip_id, ()) if score is not None] for clip in clips]
    votes = np.full((max(1, *map(len, given)), len(clips)), np.nan)
    for column, scores in enumerate(given):
        votes[: len(scores), column] = scores
    return votes


def _scores(clips: Sequence[CalibrationClip], judged: Judged) -> np.ndarray:
    """(clips,): the mean of the votes, nan where none has a score."""
    votes = _vote_scores(clips, judged)
    there = np.isfinite(votes)
    return np.divide(np.nansum(votes, 0), there.sum(0), out=np.full(len(clips), np.nan), where=there.any(0))
