"""Preference pairs from scored motions: which two motions of a prompt are compared.

The paper names only their number, 3 pairs a prompt. The choice here follows three observations: pairs whose chosen
motion is exactly right teach most; wide gaps teach the rough direction and narrow gaps the fine one; and if chosen
motions are longer on average, the model learns length instead of content.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from statistics import fmean
from typing import Any, Literal

from atom.config import Degree, PreferenceConfig
from atom.errors import AtomError
from atom.events import Event, Split, Task

# Smallest margin of each degree. AToM gives no thresholds; these are for scores from 1 to 5, where one event is worth
# about one point.
DEGREES: tuple[tuple[float, Degree], ...] = (
    (2.0, "Much better"),
    (1.0, "Better"),
    (0.5, "Slightly better"),
    (0.0, "Negligibly better/unsure"),
)

ROUNDING = 1e-6  # scores are stored as float32, so a gap of 0.4999999 counts as 0.5
FRAMES_PER_TOKEN = 4
LENGTH_SLACK = 20  # tokens by which the sum of length differences may exceed the tolerance, for the first few pairs


@dataclass(frozen=True)
class ScoredMotion:
    """A sampled motion and its score.

    Attributes:
        motion_id: names the motion.
        prompt_id: names its prompt.
        text: that of the prompt.
        task: that of the prompt.
        split: that of the prompt.
        tokens: codes, one for every four frames; empty if the generator has no codebook.
        stop_reason: "end" if the model ended the motion itself.
        score: of the judge, 1 to 5.
        exact: whether the judge saw exactly what the prompt says.
        second_score: of a second judge, None if there is none.
        frames: gives the length where there are no tokens.
    """

    motion_id: str
    prompt_id: str
    text: str
    task: Task
    split: Split
    tokens: tuple[int, ...]
    stop_reason: Literal["end", "length", "empty"]
    score: float
    exact: bool
    second_score: float | None = None
    frames: int = 0

    @property
    def length(self) -> int:
        """In tokens, or in units of four frames if there are none."""
        return len(self.tokens) or self.frames // FRAMES_PER_TOKEN


@dataclass(frozen=True)
class Preference:
    """Two motions of one prompt, with all that training needs.

    Attributes:
        prompt_id: names the prompt.
        text: that of the prompt.
        task: that of the prompt.
        split: that of the prompt.
        chosen_id: names the better motion.
        rejected_id: names the other motion.
        chosen_tokens: codes of the better motion; empty if the generator has no codebook.
        rejected_tokens: codes of the other motion.
        chosen_score: of the better motion, 1 to 5.
        rejected_score: of the other motion.
        chosen_exact: whether the better motion shows exactly what the prompt says.
        margin: the gap of the scores; negative or small only if a direct comparison decided the pair.
        degree: AToM's word for the margin.
        chosen_length: of the better motion, in tokens.
        rejected_length: of the other motion.
        decided_by: "score", or "comparison" where a judge compared the two.
    """

    prompt_id: str
    text: str
    task: Task
    split: Split
    chosen_id: str
    rejected_id: str
    chosen_tokens: tuple[int, ...]
    rejected_tokens: tuple[int, ...]
    chosen_score: float
    rejected_score: float
    chosen_exact: bool
    margin: float
    degree: Degree
    chosen_length: int
    rejected_length: int
    decided_by: Literal["score", "comparison"] = "score"

    @property
    def longer_by(self) -> int:
        """Tokens by which the chosen motion is longer than the rejected one; negative if it is shorter."""
        return self.chosen_length - self.rejected_length

    def to_row(self, events: Iterable[Event] = ()) -> dict[str, Any]:
        """Makes a row of the preferences table, as `export_preferences` takes it.

        Args:
            events: those of the prompt.

        Returns:
            The row.
        """
        return {
            "prompt_id": self.prompt_id,
            "prompt": self.text,
            "task": self.task,
            "split": self.split,
            "events": [event.to_dict() for event in events],
            "chosen_tokens": list(self.chosen_tokens),
            "rejected_tokens": list(self.rejected_tokens),
            "chosen_score": self.chosen_score,
            "rejected_score": self.rejected_score,
            "margin": self.margin,
            "degree": self.degree,
            "decided_by": self.decided_by,
            "chosen_motion_id": self.chosen_id,
            "rejected_motion_id": self.rejected_id,
        }


def classify_margin(margin: float) -> Degree:
    """AToM's degree for a score gap.

    "Much better" from 2 points, "Better" from 1, "Slightly better" from 0.5, else "Negligibly better/unsure".
    """
    return next(degree for least, degree in DEGREES if abs(margin) >= least - ROUNDING)


ComparisonWinners = Mapping[tuple[str, str], str]
"""The better motion of two, by their sorted ids, where a comparison in both orders found the same one better."""


def build_pairs(
    candidates: Iterable[ScoredMotion], config: PreferenceConfig, winners: ComparisonWinners | None = None
) -> list[Preference]:
    """Selects preference pairs: at most `pairs_per_prompt` for each prompt and `pairs_per_task` for each task.

    Two motions can be a pair if their scores differ by at least `min_gap`, or if a comparison decided them. Only
    motions that the model ended itself take part: answers are compared with their end token, which a truncated motion
    does not have. Of motions with equal tokens only the first takes part. A pair is left out if a second judge
    disagrees about its order.

    The prompts are taken in the order of their ids. Within a prompt the pairs are selected one by one, in this order of
    priority: the chosen motion is exactly right; the pair moves the mean length difference of its task towards zero;
    its motions were used least so far; the widest and the narrowest gap in turn. A pair that would raise the mean
    length difference of its task above `length_tolerance` is skipped.

    Args:
        candidates: motions of any prompts, in any order.
        config: the limits.
        winners: pairs that a comparison decided.

    Returns:
        The pairs.

    Raises:
        AtomError: the motions of one prompt disagree on its text, task or split.
    """
    by_prompt: dict[str, list[ScoredMotion]] = defaultdict(list)
    for motion in sorted(candidates, key=lambda motion: (motion.prompt_id, motion.motion_id)):
        by_prompt[motion.prompt_id].append(motion)
    balances: dict[Task, _LengthBalance] = defaultdict(lambda: _LengthBalance(config.length_tolerance))
    pairs: list[Preference] = []
    for motions in by_prompt.values():
        balance = balances[motions[0].task]
        left = config.pairs_per_task - balance.pairs if config.pairs_per_task else config.pairs_per_prompt
        if left > 0:
            pairs += _select_pairs(keep_comparable(motions), config, balance, winners or {}, left)
    return pairs


def near_ties(motions: Iterable[ScoredMotion], config: PreferenceConfig, most: int) -> list[tuple[str, str]]:
    """Finds motions whose scores are too close to make a pair, so that a direct comparison can decide them.

    Args:
        motions: of any prompts, in any order.
        config: `min_gap` is the limit.
        most: ties for each prompt.

    Returns:
        Pairs of motion ids; for each prompt the ties with the highest scores first.
    """
    by_prompt: dict[str, list[ScoredMotion]] = defaultdict(list)
    for motion in sorted(motions, key=lambda motion: (motion.prompt_id, motion.motion_id)):
        by_prompt[motion.prompt_id].append(motion)
    ties = []
    for candidates in by_prompt.values():
        close = [
            (one, other)
            for one, other in combinations(keep_comparable(candidates), 2)
            if abs(one.score - other.score) < config.min_gap - ROUNDING
        ]
        close.sort(key=lambda pair: -(pair[0].score + pair[1].score))
        ties += [(one.motion_id, other.motion_id) for one, other in close[:most]]
    return ties


def find_decided_pairs(comparisons: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """The winners of pairs that were shown in both orders with the same motion found better both times.

    The rows of `comparisons` have `first_motion_id`, `second_motion_id` and `better` (first, second, neither or None).
    """
    votes: dict[tuple[str, str], list[str | None]] = defaultdict(list)
    for row in comparisons:
        pair = row["first_motion_id"], row["second_motion_id"]
        votes[min(pair), max(pair)].append({"first": pair[0], "second": pair[1]}.get(row["better"]))
    return {
        pair: winners[0]
        for pair, winners in votes.items()
        if len(winners) == 2 and winners[0] is not None and winners[0] == winners[1]
    }


class _LengthBalance:
    """The sum of the length differences, chosen minus rejected, of the pairs selected so far for one task."""

    def __init__(self, tolerance: float | None) -> None:
        self.tolerance = tolerance
        self.pairs = 0
        self.total = 0

    def allows(self, difference: int) -> bool:
        if self.tolerance is None or difference <= 0:
            return True
        return self.total + difference <= self.tolerance * (self.pairs + 1) + LENGTH_SLACK

    def is_worsened_by(self, difference: int) -> bool:
        return self.tolerance is not None and self.total * difference > 0

    def add(self, difference: int) -> None:
        self.pairs += 1
        self.total += difference


def keep_comparable(motions: Sequence[ScoredMotion]) -> list[ScoredMotion]:
    """The motions of one prompt that can be in pairs: ended by the model, and each token sequence once.

    AtomError if they disagree on the prompt's text, task or split.
    """
    if len({(motion.text, motion.task, motion.split) for motion in motions}) > 1:
        raise AtomError(
            f"the motions of prompt {motions[0].prompt_id!r} disagree on its text, task or split: score them again"
        )
    # In reverse, the first motion of each token sequence is the one that stays in the dict.
    unique = {motion.tokens or motion.motion_id: motion for motion in reversed(motions) if motion.stop_reason == "end"}
    return list(reversed(unique.values()))


def _select_pairs(
    motions: Sequence[ScoredMotion],
    config: PreferenceConfig,
    balance: _LengthBalance,
    winners: ComparisonWinners,
    most: int,
) -> list[Preference]:
    possible = [
        _make_preference(chosen, rejected)
        for chosen, rejected in permutations(motions, 2)
        if chosen.score - rejected.score >= config.min_gap - ROUNDING and _second_judge_agrees(chosen, rejected)
    ]
    possible += [
        replace(_make_preference(chosen, rejected), degree="Slightly better", decided_by="comparison")
        for chosen, rejected in permutations(motions, 2)
        if winners.get((min(chosen.motion_id, rejected.motion_id), max(chosen.motion_id, rejected.motion_id)))
        == chosen.motion_id
    ]
    uses: Counter[str] = Counter()
    selected: list[Preference] = []
    while len(selected) < min(config.pairs_per_prompt, most):
        allowed = [pair for pair in possible if balance.allows(pair.longer_by)]
        if not allowed:
            break
        gap_sign = -1 if len(selected) % 2 == 0 else 1  # the widest and the narrowest gap in turn
        best = min(
            allowed,
            key=lambda pair: (
                not pair.chosen_exact,
                balance.is_worsened_by(pair.longer_by),
                uses[pair.chosen_id] + uses[pair.rejected_id],
                gap_sign * pair.margin,
                pair.chosen_id,
                pair.rejected_id,
            ),
        )
        possible.remove(best)
        uses.update((best.chosen_id, best.rejected_id))
        balance.add(best.longer_by)
        selected.append(best)
    return selected


def _second_judge_agrees(chosen: ScoredMotion, rejected: ScoredMotion) -> bool:
    if chosen.second_score is None or rejected.second_score is None:
        return True
    return chosen.second_score >= rejected.second_score - ROUNDING


def _make_preference(chosen: ScoredMotion, rejected: ScoredMotion) -> Preference:
    margin = chosen.score - rejected.score
    return Preference(
        prompt_id=chosen.prompt_id,
        text=chosen.text,
        task=chosen.task,
        split=chosen.split,
        chosen_id=chosen.motion_id,
        rejected_id=rejected.motion_id,
        chosen_tokens=chosen.tokens,
        rejected_tokens=rejected.tokens,
        chosen_score=chosen.score,
        rejected_score=rejected.score,
        chosen_exact=chosen.exact,
        margin=margin,
        degree=classify_margin(margin),
        chosen_length=chosen.length,
        rejected_length=rejected.length,
    )


def summarise_selection(candidates: Sequence[ScoredMotion], pairs: Sequence[Preference]) -> dict[str, Any]:
    """Statistics of the selected pairs, overall and for each task.

    Args:
        candidates: all motions that were given to `build_pairs`.
        pairs: its result.

    Returns:
        JSON-able, an entry "overall" and one for each task with: prompts (with candidates), prompts_with_pairs, pairs,
        chosen_exact (share), degrees (count of each), gaps (count of pairs by gap, in bins of half a point named by
        their lower edge), chosen_tokens and rejected_tokens (means), and longer_by (mean of chosen minus rejected, in
        tokens).
    """
    tasks = sorted({motion.task for motion in candidates})
    entries = {"overall": _summary(candidates, pairs)}
    for task in tasks:
        entries[task] = _summary(
            [motion for motion in candidates if motion.task == task], [pair for pair in pairs if pair.task == task]
        )
    return entries


def _summary(candidates: Sequence[ScoredMotion], pairs: Sequence[Preference]) -> dict[str, Any]:
    gaps = Counter(int((pair.margin + ROUNDING) * 2) / 2 for pair in pairs)
    return {
        "prompts": len({motion.prompt_id for motion in candidates}),
        "prompts_with_pairs": len({pair.prompt_id for pair in pairs}),
        "pairs": len(pairs),
        "chosen_exact": _mean(pair.chosen_exact for pair in pairs),
        "degrees": {degree: sum(pair.degree == degree for pair in pairs) for _, degree in DEGREES},
        "gaps": {f"{edge:.1f}": gaps[edge] for edge in sorted(gaps)},
        "chosen_tokens": _mean(pair.chosen_length for pair in pairs),
        "rejected_tokens": _mean(pair.rejected_length for pair in pairs),
        "longer_by": _mean(pair.longer_by for pair in pairs),
    }


def _mean(values: Iterable[float]) -> float:
    values = [float(value) for value in values]
    return fmean(values) if values else 0.0
