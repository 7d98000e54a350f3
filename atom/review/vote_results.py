"""What votes say: who wins, what clips are worth, how far people agree with each other and with the judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from atom.evaluation.agreement import fleiss_kappa, krippendorff_alpha, share, weighted_kappa
from atom.evaluation.comparison import BASE, MIN_PROMPTS, TUNED, compare
from atom.evaluation.resampling import PromptResamples
from atom.events import TASKS
from atom.review.judge_agreement import compare_with_judges, disagreements
from atom.review.tally import PEOPLE, clip_votes, counted, pair_votes, aggregate_people_scores, ratings, skipped
from atom.review.votes import Vote

OUTCOMES = {"wins": 1.0, "ties": 0.5, "losses": 0.0}

Figure = dict[str, Any]
"""`{value, interval}`: the interval [low, high] holds 95 % of a bootstrap over prompts. Both are None where the votes
do not define them, the interval also with fewer than six prompts."""


def results(
    votes: Sequence[Vote],
    judged: pd.DataFrame,
    prompts: Mapping[str, str] | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """All that votes say, ready for JSON.

    Args:
        votes: of several by one voter on one item the last counts.
        judged: what judges gave the motions, a row a motion and judge: `motion_id, judge, score` (see
            `tally.aggregate_judge_scores`); may be empty.
        prompts: the text of each prompt_id.

    Returns:
        - `votes`: how many votes of `pairs` and `clips` and `skipped` ones, of how many `voters` on how many `prompts`.
        - `win_rates`: for each two arms that met, see `win_rates`; tuned against base first.
        - `scores`: base and tuned by people's mean score of each clip, as `compare` gives it for a judge; None where
          people scored no prompt of both.
        - `among_people`: see `among_people`. `judges`: see `compare_with_judges`. `voters`: see `voters`.
        - `disagreements`: see `disagreements`, each with its `prompt`.
        - `verdict`: the above in sentences, the foremost first.
    """
    cast = counted(votes)
    pairs, clips = pair_votes(cast), clip_votes(cast)
    found: dict[str, Any] = {
        "votes": {
            "pairs": len(pairs),
            "clips": len(clips),
            "skipped": sum(map(skipped, cast)),
            "voters": len({vote.voter for vote in cast}),
            "prompts": len({vote.prompt_id for vote in cast}),
        },
        "win_rates": win_rates(pairs, resamples=resamples, seed=seed),
        "scores": _gain_by_people(cast, resamples, seed),
        "among_people": among_people(pairs, clips, resamples=resamples, seed=seed),
        "judges": compare_with_judges(cast, judged, resamples=resamples, seed=seed),
        "voters": voters(cast),
        "disagreements": [
            row | {"prompt": (prompts or {}).get(row["prompt_id"], "")} for row in disagreements(cast, judged)
        ],
    }
    return found | {"verdict": _sentences(found)}


def win_rates(pairs: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> list[dict[str, Any]]:
    """For each two arms of `pair_votes`: `arm`, `against`, and for `overall` and each task that was voted on
    `{votes, prompts, wins, ties, losses, win_rate, shares, verdict}`.

    `wins`, `ties` and `losses` of `arm` count votes. `win_rate`, ties as half, and the `shares` of the three are
    figures: means within a prompt, then over the prompts, so that none counts more for having had more voters. The
    verdict says whether the interval of the win rate holds one half: "better", "worse", "within noise" or "too few
    prompts".
    """
    met = pairs[pairs["arm"] != pairs["against"]]
    found = []
    for (arm, against), cast in met.groupby(["arm", "against"]):
        groups = {"overall": cast} | {task: cast[cast["task"] == task] for task in TASKS}
        told = {name: _win_rate(group, resamples, seed) for name, group in groups.items() if len(group)}
        found.append({"arm": arm, "against": against, **told})
    return sorted(found, key=lambda row: (row["arm"], row["against"]) != (TUNED, BASE))


def _win_rate(cast: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    outcomes = pd.DataFrame({name: cast["outcome"] == value for name, value in OUTCOMES.items()})
    means = outcomes.assign(rate=cast["outcome"]).groupby(cast["prompt_id"]).mean()
    drawn = PromptResamples(means.index, resamples, seed)
    figures = {name: drawn.figure(partial(share, means[name].to_numpy(float))) for name in means}
    rate = figures.pop("rate")
    return {
        "votes": len(cast),
        "prompts": len(means),
        **{name: int(count) for name, count in outcomes.sum().items()},
        "win_rate": rate,
        "shares": figures,
        "verdict": _verdict(rate["interval"]),
    }


def _verdict(interval: Sequence[float] | None) -> str:
    if interval is None:
        return "too few prompts"
    low, high = interval
    return "within noise" if low <= 0.5 <= high else "better" if low > 0.5 else "worse"


def _gain_by_people(votes: Sequence[Vote], resamples: int, seed: int) -> dict[str, Any] | None:
    rows = aggregate_people_scores(votes)
    asked = [set(rows[rows["arm"] == arm]["prompt_id"]) for arm in (BASE, TUNED)]
    if not asked[0] & asked[1]:
        return None
    rows["sample"] = rows.groupby(["arm", "prompt_id"]).cumcount()
    return compare(rows, resamples=resamples, seed=seed)[PEOPLE]


def among_people(
    pairs: pd.DataFrame, clips: pd.DataFrame, *, resamples: int = 2000, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """How far people agree with each other beyond chance, on what at least two of them voted on.

    - `pairs`: the number of `items`; `krippendorff_alpha` (nominal: one side, the other or a tie); `fleiss_kappa` of
      the same, which needs equally many raters for each item: it is taken over the `items` that have the most common
      number of `raters`, and `left_out` counts the others. The alpha takes all.
    - `clips`: `items`, and `krippendorff_alpha` of the scores (ordinal).
    """
    return {
        "pairs": _alpha(pairs, "outcome", "nominal", resamples, seed)
        | {"fleiss_kappa": _fleiss(pairs, resamples, seed)},
        "clips": _alpha(clips, "score", "ordinal", resamples, seed),
    }


def _alpha(cast: pd.DataFrame, value: str, metric: Any, resamples: int, seed: int) -> dict[str, Any]:
    given, prompts = ratings(cast, value)
    shared = np.isfinite(given).sum(0) > 1
    measure = partial(krippendorff_alpha, given[:, shared], metric)
    return {
        "items": int(shared.sum()),
        "krippendorff_alpha": PromptResamples(prompts, resamples, seed).figure(measure, shared),
    }


def _fleiss(cast: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    given, prompts = ratings(cast, "outcome")
    counts = (given[..., None] == list(OUTCOMES.values())).sum(0)  # (items, outcomes)
    raters = counts.sum(1)
    several = raters[raters > 1]
    most = int(max(np.unique(several), key=lambda number: ((several == number).sum(), number), default=0))
    equal = (raters == most) & (raters > 1)
    figure = PromptResamples(prompts, resamples, seed).figure(partial(fleiss_kappa, counts[equal]), equal)
    return figure | {"raters": most, "items": int(equal.sum()), "left_out": len(several) - int(equal.sum())}


def voters(votes: Sequence[Vote]) -> list[dict[str, Any]]:
    """For each voter, those with the most votes first: `voter`; `votes`, without the `skipped`; `seconds`, the median
    of a vote; of the votes on pairs `ties`, the share of ties, and `left`, the share of the others whose choice stood
    on the left, 0.5 without a bias; and the agreement with the others on what they voted on too: on pairs `agrees`,
    the share of the others' votes that say the same, on clips `kappa`, the weighted kappa with the mean of the others.
    None where nothing tells."""
    cast = counted(votes)
    pairs, clips = pair_votes(cast), clip_votes(cast)
    found = []
    for voter in dict.fromkeys(vote.voter for vote in cast):
        own = pairs[pairs["voter"] == voter]
        took = [*own["seconds"], *clips[clips["voter"] == voter]["seconds"]]
        found.append(
            {
                "voter": voter,
                "votes": len(took),
                "skipped": sum(skipped(vote) for vote in cast if vote.voter == voter),
                "seconds": round(float(np.median(took)), 2) if took else None,
                "ties": _share(own["outcome"] == OUTCOMES["ties"]),
                "left": _share(own["left"].dropna()),
                "agrees": _share(_same_as_others(pairs, voter)),
                "kappa": _kappa_with_others(clips, voter),
            }
        )
    return sorted(found, key=lambda row: (-row["votes"], row["voter"]))


def _same_as_others(pairs: pd.DataFrame, voter: str) -> pd.Series:
    own, others = pairs[pairs["voter"] == voter], pairs[pairs["voter"] != voter]
    both = own.merge(others, on="item_id", suffixes=("", "_other"))
    return both["outcome"] == both["outcome_other"]


def _kappa_with_others(clips: pd.DataFrame, voter: str) -> float | None:
    own, others = clips[clips["voter"] == voter], clips[clips["voter"] != voter]
    both = own.merge(others.groupby("item_id")["score"].mean().reset_index(), on="item_id", suffixes=("", "_other"))
    return _number(weighted_kappa(both["score"], both["score_other"]))


def _share(values: pd.Series) -> float | None:
    return _number(share(values.to_numpy(float)))


def _number(value: Any) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _sentences(found: Mapping[str, Any]) -> list[str]:
    cast = found["votes"]
    if not cast["pairs"] + cast["clips"]:
        return ["No vote decides anything yet."]
    said = [_win_sentence(row) for row in found["win_rates"][:1]]
    if found["scores"]:
        said.append(_gain_sentence(found["scores"]["overall"]))
    for kind, words in (("pairs", "which motion is better"), ("clips", "the score of a motion")):
        alpha = found["among_people"][kind]["krippendorff_alpha"]["value"]
        if alpha is not None:
            said.append(f"On {words} people agree with Krippendorff's alpha {alpha:.2f}.")
    for name, judge in found["judges"].items():
        accuracy = judge["pairs"]["pair_accuracy"]["value"]
        if accuracy is not None:
            said.append(f"The {name} judge orders {accuracy:.0%} of {judge['pairs']['n']} pairs as people do.")
    people = f"{cast['voters']} {'person' if cast['voters'] == 1 else 'people'}"
    return said or [f"{_counted(cast['pairs'] + cast['clips'], 'vote')} of {people} compare nothing with anything yet."]


def _win_sentence(row: Mapping[str, Any]) -> str:
    overall, rate = row["overall"], row["overall"]["win_rate"]
    interval = "" if rate["interval"] is None else "; 95 % interval {:.0%} to {:.0%}".format(*rate["interval"])
    meaning = {
        "better": f"people find {row['arm']} better",
        "worse": f"people find {row['against']} better",
        "within noise": "the difference is within noise",
        "too few prompts": f"fewer than {MIN_PROMPTS} prompts can't tell that from chance",
    }[overall["verdict"]]
    return (
        f"{row['arm'].capitalize()} wins against {row['against']} in {rate['value']:.0%} of the votes (ties as half"
        f"{interval}; {_counted(overall['votes'], 'vote')} on {_counted(overall['prompts'], 'prompt')}): {meaning}."
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _gain_sentence(overall: Mapping[str, Any]) -> str:
    low, high = overall["gain_low"], overall["gain_high"]
    interval = "" if low is None else f"95 % interval {low:+.2f} to {high:+.2f}, "
    return (
        f"By people's scores tuning moved the mean from {overall['base']:.2f} to {overall['tuned']:.2f} "
        f"({overall['gain']:+.2f}, {interval}{overall['n']} prompts): {overall['verdict']}."
    )
