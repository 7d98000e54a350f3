"""From scored motions to preference pairs: which two motions of a prompt are worth comparing.

The paper names the count (3 pairs a prompt) and not the choice. Ours follows three observations of the prototype: pairs
whose chosen motion is exactly right teach most; wide gaps teach the rough direction and near misses the fine one; and a
chosen side that is longer on average teaches length instead of content.
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
from atom.events import Split, Task

# AToM gives no thresholds. Ours, on the rubric's scale of 1 to 5, where a point is about one event.
DEGREES: tuple[tuple[float, Degree], ...] = (
    (2.0, "Much better"),
    (1.0, "Better"),
    (0.5, "Slightly better"),
    (0.0, "Negligibly better/unsure"),
)

ROUNDING = 1e-6  # scores pass through float32 columns: a gap of 0.4999999 is 0.5
FRAMES_PER_TOKEN = 4
LENGTH_SLACK = 20  # tokens by which the first few pairs may miss the length tolerance


@dataclass(frozen=True)
class ScoredMotion:
    """A sampled motion and what the judge said of it. `tokens` are codebook indices, one for every four frames, empty
    where the generator has no codebook; then `frames` tells the length. `second_score` is that of a second judge, None
    where there is none."""

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
        """In tokens, or what would be tokens."""
        return len(self.tokens) or self.frames // FRAMES_PER_TOKEN


@dataclass(frozen=True)
class Preference:
    """Two motions of one prompt. `margin` is the gap of their scores, which only a comparison of the two may overrule.
    Self-contained, so it can be trained on without the tables it came from."""

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


def classify_margin(margin: float) -> Degree:
    """AToM's word for a score gap: from 2 points "Much better", 1 "Better", 0.5 "Slightly better", else "unsure"."""
    return next(word for least, word in DEGREES if abs(margin) >= least - ROUNDING)


Decided = Mapping[tuple[str, str], str]
"""Of two motions (ids in order), the one that a comparison found better in both orders."""


def build_pairs(
    candidates: Iterable[ScoredMotion], config: PreferenceConfig, decided: Decided | None = None
) -> list[Preference]:
    """At most `pairs_per_prompt` pairs a prompt, and `pairs_per_task` a task, whose scores differ by `min_gap` or more
    or which `decided` decides.

    Prompts are taken in the order of their ids, whatever the order of the candidates. Within a prompt pairs are taken
    one by one: first those with an exactly right chosen motion, then those that bring the mean length difference of the
    task towards zero, then those of motions used least so far; ties go to the widest and the narrowest gap in turn. A
    pair that would lift the task's mean length difference above `length_tolerance` is passed over.

    Only motions that the model ended itself take part: answers are compared with their end token, which a motion cut
    off at the limit never had. Of motions with equal tokens only the first takes part. A pair on whose order a second
    judge disagrees is left out.
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
            pairs += _pairs_of_prompt(distinct(motions), config, balance, decided or {}, left)
    return pairs


def near_ties(motions: Iterable[ScoredMotion], config: PreferenceConfig, most: int) -> list[tuple[str, str]]:
    """Up to `most` pairs of ids of each prompt whose scores are too close to make a pair, the best motions first."""
    by_prompt: dict[str, list[ScoredMotion]] = defaultdict(list)
    for motion in sorted(motions, key=lambda motion: (motion.prompt_id, motion.motion_id)):
        by_prompt[motion.prompt_id].append(motion)
    ties = []
    for candidates in by_prompt.values():
        close = [
            (one, other)
            for one, other in combinations(distinct(candidates), 2)
            if abs(one.score - other.score) < config.min_gap - ROUNDING
        ]
        close.sort(key=lambda pair: -(pair[0].score + pair[1].score))
        ties += [(one.motion_id, other.motion_id) for one, other in close[:most]]
    return ties


def find_decided_pairs(comparisons: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """What comparisons decide: pairs that were shown in both orders with the same motion found better both times.

    Rows have `first_motion_id`, `second_motion_id` and `better` (first, second, neither or None).
    """
    found: dict[tuple[str, str], list[str | None]] = defaultdict(list)
    for row in comparisons:
        pair = row["first_motion_id"], row["second_motion_id"]
        found[min(pair), max(pair)].append({"first": pair[0], "second": pair[1]}.get(row["better"]))
    return {
        pair: winners[0]
        for pair, winners in found.items()
        if len(winners) == 2 and winners[0] is not None and winners[0] == winners[1]
    }


class _LengthBalance:
    """The running sum of length differences, chosen minus rejected, of the pairs taken so far."""

    def __init__(self, tolerance: float | None) -> None:
        self.tolerance = tolerance
        self.pairs = 0
        self.total = 0

    def allows(self, difference: int) -> bool:
        if self.tolerance is None or difference <= 0:
            return True
        return self.total + difference <= self.tolerance * (self.pairs + 1) + LENGTH_SLACK

    def worsened_by(self, difference: int) -> bool:
        return self.tolerance is not None and self.total * difference > 0

    def add(self, difference: int) -> None:
        self.pairs += 1
        self.total += difference


def distinct(motions: Sequence[ScoredMotion]) -> list[ScoredMotion]:
    """The motions of one prompt that can take part in pairs."""
    if len({(motion.text, motion.task, motion.split) for motion in motions}) > 1:
        raise AtomError(
            f"the motions of prompt {motions[0].prompt_id!r} disagree on its text, task or split: score them again"
        )
    first = {motion.tokens or motion.motion_id: motion for motion in reversed(motions) if motion.stop_reason == "end"}
    return list(reversed(first.values()))


def _pairs_of_prompt(
    motions: Sequence[ScoredMotion], config: PreferenceConfig, balance: _LengthBalance, decided: Decided, most: int
) -> list[Preference]:
    possible = [
        _preference(chosen, rejected)
        for chosen, rejected in permutations(motions, 2)
        if chosen.score - rejected.score >= config.min_gap - ROUNDING and _agreed(chosen, rejected)
    ]
    possible += [
        replace(_preference(chosen, rejected), degree="Slightly better", decided_by="comparison")
        for chosen, rejected in permutations(motions, 2)
        if decided.get((min(chosen.motion_id, rejected.motion_id), max(chosen.motion_id, rejected.motion_id)))
        == chosen.motion_id
    ]
    uses: Counter[str] = Counter()
    taken: list[Preference] = []
    while len(taken) < min(config.pairs_per_prompt, most):
        allowed = [pair for pair in possible if balance.allows(pair.longer_by)]
        if not allowed:
            break
        sign = -1 if len(taken) % 2 == 0 else 1
        best = min(
            allowed,
            key=lambda pair: (
                not pair.chosen_exact,
                balance.worsened_by(pair.longer_by),
                uses[pair.chosen_id] + uses[pair.rejected_id],
                sign * pair.margin,
                pair.chosen_id,
                pair.rejected_id,
            ),
        )
        possible.remove(best)
        uses.update((best.chosen_id, best.rejected_id))
        balance.add(best.longer_by)
        taken.append(best)
    return taken


def _agreed(chosen: ScoredMotion, rejected: ScoredMotion) -> bool:
    if chosen.second_score is None or rejected.second_score is None:
        return True
    return chosen.second_score >= rejected.second_score - ROUNDING


def _preference(chosen: ScoredMotion, rejected: ScoredMotion) -> Preference:
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


def summarise(candidates: Sequence[ScoredMotion], pairs: Sequence[Preference]) -> dict[str, Any]:
    """What the set of pairs looks like, overall and for each task, JSON-able.

    Each entry: prompts (with candidates), prompts_with_pairs, pairs, chosen_exact (share), degrees (count of each
    word), gaps (count of pairs by gap, bins of half a point named by their lower edge), and the length guard:
    chosen_tokens and rejected_tokens (means), longer_by (mean of chosen minus rejected, in tokens).
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
        "degrees": {word: sum(pair.degree == word for pair in pairs) for _, word in DEGREES},
        "gaps": {f"{edge:.1f}": gaps[edge] for edge in sorted(gaps)},
        "chosen_tokens": _mean(pair.chosen_length for pair in pairs),
        "rejected_tokens": _mean(pair.rejected_length for pair in pairs),
        "longer_by": _mean(pair.longer_by for pair in pairs),
    }


def _mean(values: Iterable[float]) -> float:
    values = [float(value) for value in values]
    return fmean(values) if values else 0.0
