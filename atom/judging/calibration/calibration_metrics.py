"""Metrics of a judge on calibration clips: agreement with the true scores, and errors about events."""

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
    confusion_matrix,
    krippendorff_alpha,
    pair_accuracy,
    share,
    spearman,
    weighted_kappa,
)
from atom.evaluation.resampling import Measure, PromptBootstrap
from atom.events import TASKS, Composition, is_countable
from atom.judging import rubric
from atom.judging.calibration.calibration_clip import CalibrationClip

JudgeVote = tuple[float | None, Sequence[rubric.CountedAction] | None]
"""The score and the detected events of one answer; None where the judge gave none."""
VotesByClip = Mapping[str, Sequence[JudgeVote]]
"""The votes of a judge by clip_id."""

AGREEMENT = ("weighted_kappa", "krippendorff_alpha", "alpha_among_votes", "spearman", "pair_accuracy")
ERRORS = ("mean_error", "absolute_error")
EVENT_ERRORS = ("missed", "invented", "miscounted", "misordered")


def calibrate(
    clips: Sequence[CalibrationClip], votes_by_clip: VotesByClip, *, resamples: int = 1000, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Measure a judge on calibration clips.

    Args:
        clips: the clips, with their truth.
        votes_by_clip: the votes of the judge. The score of a clip is the mean of its votes.
        resamples: of the bootstrap over prompts.
        seed: of the bootstrap.

    Returns:
        A dict, ready for JSON, with the figures "overall" and for each task that the clips have. Each figure is
        `{value, interval}`, both None where undefined. The interval [low, high] is that of 95 %, None with too few
        prompts.

        - `weighted_kappa`, `krippendorff_alpha` (interval metric), `spearman` and `pair_accuracy` (over pairs of
          motions of one prompt) compare truth and judge; `alpha_among_votes` compares the votes with each other.
        - `mean_error` (judge minus truth) and `absolute_error` are in points.
        - Errors about the expected actions, over `n` chances to be wrong, each vote by itself. `missed` is the share of
          the performed actions that the judge did not detect, `invented` of those not performed that it detected,
          `miscounted` of the countable ones performed and detected with another count, and `misordered` of the pairs of
          events performed and detected in the other order. Clips without known events and votes without events do not
          count.
        - `n` scored and `unscored` clips, the number of `prompts`, and `confusion`: counts with a row for each level of
          truth and a column for each level of the judge, both rounded, halves up.

    Raises:
        AtomError: when there is no clip, a clip_id occurs twice, a vote is for an unknown clip, or a score is not 1 to
            5.
    """
    _check_votes(clips, votes_by_clip)
    groups = {"overall": list(clips)} | {task: [clip for clip in clips if clip.task == task] for task in TASKS}
    return {name: _measure_group(group, votes_by_clip, resamples, seed) for name, group in groups.items() if group}


def compare_judges(
    clips: Sequence[CalibrationClip], judges: Mapping[str, VotesByClip], *, resamples: int = 1000, seed: int = 0
) -> list[dict[str, Any]]:
    """Compare each two judges by their weighted kappa on the clips that both scored, with a bootstrap over prompts.

    Args:
        clips: the clips, with their truth.
        judges: the votes of each judge, by its name.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        For each two judges `{judges: [better, other], n, prompts, gain, interval, verdict}`, where `gain` is the
        difference of the kappas and `verdict` is "better", "within noise" or "too few prompts".

    Raises:
        AtomError: as `calibrate` does.
    """
    scores = {}
    for name, votes_by_clip in judges.items():
        _check_votes(clips, votes_by_clip)
        scores[name] = _mean_scores(clips, votes_by_clip)
    truth = np.array([clip.truth for clip in clips])
    prompts = PromptBootstrap([clip.prompt_id for clip in clips], resamples, seed)
    compared = []
    for names in combinations(scores, 2):
        both = np.isfinite([scores[name] for name in names]).all(0)
        kappas = {name: partial(weighted_kappa, truth[both], scores[name][both]) for name in names}
        better, other = sorted(names, key=lambda name: -np.nan_to_num(kappas[name]()))

        # The defaults bind the judges of this turn; a closure would see those of the last one.
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


def _check_votes(clips: Sequence[CalibrationClip], votes_by_clip: VotesByClip) -> None:
    if not clips:
        raise AtomError("there is no clip to calibrate a judge on: make some or give a labelled set")
    known = Counter(clip.clip_id for clip in clips)
    twice = [clip_id for clip_id, times in known.items() if times > 1]
    if twice:
        raise AtomError(f"clip {twice[0]!r} occurs more than once among the calibration clips: give each once")
    for clip_id, votes in votes_by_clip.items():
        if clip_id not in known:
            raise AtomError(f"clip {clip_id!r} was judged, but is not among the calibration clips: pass the same clips")
        for score, _ in votes:
            if score is not None and not 1 <= score <= LEVELS:
                raise AtomError(f"clip {clip_id!r} has the score {score}, give 1 to {LEVELS}, or None for no score")


def _measure_group(
    clips: list[CalibrationClip], votes_by_clip: VotesByClip, resamples: int, seed: int
) -> dict[str, Any]:
    prompts = PromptBootstrap([clip.prompt_id for clip in clips], resamples, seed)
    votes, scores = _vote_scores(clips, votes_by_clip), _mean_scores(clips, votes_by_clip)
    scored = np.isfinite(scores)
    truth, scores = np.array([clip.truth for clip in clips])[scored], scores[scored]
    prompt_ids = [clip.prompt_id for clip, is_scored in zip(clips, scored, strict=True) if is_scored]
    measures: dict[str, Measure] = {
        "weighted_kappa": partial(weighted_kappa, truth, scores),
        "krippendorff_alpha": partial(krippendorff_alpha, np.stack([truth, scores])),
        "alpha_among_votes": partial(krippendorff_alpha, votes[:, scored]),
        "spearman": partial(spearman, truth, scores),
        "pair_accuracy": partial(pair_accuracy, truth, scores, prompt_ids),
        "mean_error": partial(share, scores - truth),
        "absolute_error": partial(share, np.abs(scores - truth)),
    }
    return {
        "n": int(scored.sum()),
        "unscored": int((~scored).sum()),
        "prompts": prompts.prompts,
        "confusion": confusion_matrix(truth, scores).astype(int).tolist(),
        **{name: prompts.figure(measure, scored) for name, measure in measures.items()},
        **_measure_events(clips, votes_by_clip, prompts),
    }


def _measure_events(
    clips: list[CalibrationClip], votes_by_clip: VotesByClip, prompts: PromptBootstrap
) -> dict[str, dict[str, Any]]:
    chances: dict[str, list[tuple[int, bool]]] = {name: [] for name in EVENT_ERRORS}
    for number, clip in enumerate(clips):
        for _, detected in votes_by_clip.get(clip.clip_id, ()):
            if clip.performed is not None and detected is not None:
                for name, is_wrong in _event_errors(clip.expected, clip.performed, detected):
                    chances[name].append((number, is_wrong))
    figures = {}
    for name, outcomes in chances.items():
        clip_numbers, wrong = np.array(outcomes, int).reshape(-1, 2).T
        figures[name] = {"n": len(outcomes), **prompts.figure(partial(share, wrong), clip_numbers)}
    return figures


def _event_errors(
    expected: Composition, performed: Composition, detected: Sequence[rubric.CountedAction]
) -> Iterator[tuple[str, bool]]:
    """The name of each chance to be wrong about the expected actions, and whether the judge was.

    Other actions do not count: a judge that gets a list of actions only speaks of these.
    """
    actions = {event.action for event in expected}
    true_events, judged_events = (
        rubric.merge_repeats([event for event in events if event.action in actions]) for events in (performed, detected)
    )
    true_counts, judged_counts = rubric.total_counts(true_events), rubric.total_counts(judged_events)
    for action in sorted(actions):
        if action not in true_counts:
            yield "invented", action in judged_counts
            continue
        yield "missed", action not in judged_counts
        if action in judged_counts and is_countable(action):
            yield "miscounted", true_counts[action] != judged_counts[action]
    matches = rubric.match_actions([action for action, _ in true_events], [action for action, _ in judged_events])
    for (_, earlier, _), (_, later, _) in combinations(matches, 2):
        yield "misordered", earlier > later


def _vote_scores(clips: Sequence[CalibrationClip], votes_by_clip: VotesByClip) -> np.ndarray:
    """(votes, clips), nan where a vote has no score; at least one row."""
    scores_by_clip = [
        [score for score, _ in votes_by_clip.get(clip.clip_id, ()) if score is not None] for clip in clips
    ]
    votes = np.full((max(1, *map(len, scores_by_clip)), len(clips)), np.nan)
    for column, scores in enumerate(scores_by_clip):
        votes[: len(scores), column] = scores
    return votes


def _mean_scores(clips: Sequence[CalibrationClip], votes_by_clip: VotesByClip) -> np.ndarray:
    """(clips,): the mean of the votes, nan where none has a score."""
    votes = _vote_scores(clips, votes_by_clip)
    has_score = np.isfinite(votes)
    return np.divide(np.nansum(votes, 0), has_score.sum(0), out=np.full(len(clips), np.nan), where=has_score.any(0))
