"""Scores from 1 to 5: pure functions of what was asked and what was seen.

Three quantities, each in 0..1, on sequences in which repeats of one action in a row are merge_repeats:

- recall R: share of the asked events that were seen, one seen event for each asked one;
- precision P: share of the seen events that were asked;
- order O: length of the longest common subsequence over the number of asked events that were seen.

temporal   with no event missing and O = 1: 5 - 2.5 (1 - P); else 1 + 3 R - 0.4 (1 - O) - 2.5 R (1 - P).
           Without extra events this is the AToM paper's rule for three events (5 right order, about 4 wrong order,
           3, 2 and 1 for one, two and three missing), spread over any number of events.
integrity  1 + 4 F, F = 2 m / (asked + seen) the harmonic mean of P and R over m matched events.
frequency  1 + 4 Q (1 + P) / 2, Q the mean over asked actions of min(told, seen) / max(told, seen) repetitions; an
           action that can't be counted counts once for each place where it is told or seen.

So each reaches 5 only if its own matter is exactly right and nothing else was done, and doing everything scores low.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from atom.errors import AtomError
from atom.events import ACTIONS, TASKS, Task


class CountedAction(Protocol):
    """An asked Event or a DetectedEvent."""

    @property
    def action(self) -> str: ...
    @property
    def count(self) -> int: ...


Events = Sequence[CountedAction]


def merge_repeats(events: Events) -> list[tuple[str, int]]:
    """(action, count) in order, repeats of one action in a row added up; what can't be counted counts once."""
    pairs: list[tuple[str, int]] = []
    for event in events:
        if pairs and pairs[-1][0] == event.action:
            count = pairs[-1][1] + event.count if ACTIONS[event.action].countable else 1
            pairs[-1] = (event.action, count)
        else:
            pairs.append((event.action, event.count))
    return pairs


def matches(asked: Sequence[str], seen: Sequence[str]) -> list[tuple[int, int, bool]]:
    """(asked place, seen place, in order) of actions that correspond, sorted by asked place.

    As many as possible are matched in order (a longest common subsequence); of the rest, equal actions in any place.
    """
    n, k = len(asked), len(seen)
    longest = [[0] * (k + 1) for _ in range(n + 1)]
    for i in reversed(range(n)):
        for j in reversed(range(k)):
            same = asked[i] == seen[j]
            longest[i][j] = 1 + longest[i + 1][j + 1] if same else max(longest[i + 1][j], longest[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < n and j < k:
        if asked[i] == seen[j]:
            pairs.append((i, j, True))
            i, j = i + 1, j + 1
        elif longest[i + 1][j] >= longest[i][j + 1]:
            i += 1
        else:
            j += 1
    free = [j for j in range(k) if j not in {pair[1] for pair in pairs}]
    for i in sorted(set(range(n)) - {pair[0] for pair in pairs}):
        j = next((j for j in free if seen[j] == asked[i]), None)
        if j is not None:
            free.remove(j)
            pairs.append((i, j, False))
    return sorted(pairs)


def exact(asked: Events, seen: Events) -> bool:
    """Whether what was seen is what was asked: the same actions, counts and order, nothing else."""
    return merge_repeats(asked) == merge_repeats(seen)


def score(task: Task, asked: Events, seen: Events) -> float:
    """1 to 5 by the rubric of the task; AtomError for an unknown task or when nothing was asked."""
    if task not in TASKS:
        raise AtomError(f"unknown task {task!r}; known tasks: {', '.join(TASKS)}")
    if not asked:
        raise AtomError("there is no asked event to judge a motion by; name at least one")
    return float(min(max(_RUBRICS[task](merge_repeats(asked), merge_repeats(seen)), 1.0), 5.0))


Pairs = list[tuple[str, int]]


def _shares(asked: Pairs, seen: Pairs) -> tuple[float, float, float]:
    """Recall, precision and order; with nothing seen precision is 1 and order 1, for nothing was done wrong."""
    pairs = matches([action for action, _ in asked], [action for action, _ in seen])
    found = len(pairs)
    ordered = sum(in_order for _, _, in_order in pairs)
    return found / len(asked), found / len(seen) if seen else 1.0, ordered / found if found else 1.0


def _temporal(asked: Pairs, seen: Pairs) -> float:
    recall, precision, order = _shares(asked, seen)
    if recall == 1 and order == 1:
        return 5 - 2.5 * (1 - precision)
    return 1 + 3 * recall - 0.4 * (1 - order) - 2.5 * recall * (1 - precision)


def _integrity(asked: Pairs, seen: Pairs) -> float:
    recall, _, _ = _shares(asked, seen)
    return 1 + 4 * 2 * recall * len(asked) / (len(asked) + len(seen))


def _frequency(asked: Pairs, seen: Pairs) -> float:
    _, precision, _ = _shares(asked, seen)
    told, done = _totals(asked), _totals(seen)
    close = [min(done[action], count) / max(done[action], count) for action, count in told.items()]
    return 1 + 4 * sum(close) / len(close) * (1 + precision) / 2


def _totals(events: Pairs) -> Counter[str]:
    totals: Counter[str] = Counter()
    for action, count in events:
        totals[action] += count
    return totals


_RUBRICS = {"temporal": _temporal, "integrity": _integrity, "frequency": _frequency}
