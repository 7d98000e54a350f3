"""Scores from 1 to 5: pure functions of the expected and the detected events.

Three quantities, each in 0..1, on sequences in which repeats of one action in a row are merged:

- recall R: share of the expected events that were detected, each matched with one detected event;
- precision P: share of the detected events that were expected;
- order O: length of the longest common subsequence over the number of expected events that were detected. Expected
  events that happen at the same time have no order: they count in the order in which they were detected.

temporal   with no event missing and O = 1: 5 - 2.5 (1 - P); else 1 + 3 R - 0.4 (1 - O) - 2.5 R (1 - P).
           Without extra events this is the AToM paper's rule for three events (5 right order, about 4 wrong order,
           3, 2 and 1 for one, two and three missing), spread over any number of events.
integrity  1 + 4 F, where F = 2 m / (expected + detected) is the harmonic mean of P and R over m matched events.
frequency  1 + 4 Q (1 + P) / 2, where Q is the mean over the expected actions of min(e, d) / max(e, d), with e expected
           and d detected repetitions; an action that can't be counted counts once for each place in the sequence, and
           where the text gives no count any number of repetitions is right.

A score reaches 5 only if what the task asks for is exactly right and nothing else is done. Doing everything scores low.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from atom.errors import AtomError
from atom.events import TASKS, Event, Task, counts_repetitions


class CountedAction(Protocol):
    """An action with a count: an Event or a DetectedEvent."""

    @property
    def action(self) -> str: ...
    @property
    def count(self) -> int | None: ...


Events = Sequence[CountedAction]


ActionCounts = list[tuple[str, int | None]]  # a count is None where any number of repetitions is right


def merge_repeats(events: Events) -> ActionCounts:
    """(action, count) in order, with repeats of one action in a row added up; what can't be counted counts once."""
    pairs: ActionCounts = []
    for event in events:
        if pairs and pairs[-1][0] == event.action:
            before = pairs[-1][1]
            count = 1 if not counts_repetitions(event.action) else None
            if count is None and before is not None and event.count is not None:
                count = before + event.count
            pairs[-1] = (event.action, count)
        else:
            pairs.append((event.action, event.count))
    return pairs


def arrange_groups(expected: Sequence[Event], detected: Events) -> list[int]:
    """Put expected events that happen at the same time into the order in which they were detected.

    Args:
        expected: the events of the prompt, in order.
        detected: the events in the motion, in order.

    Returns:
        The positions of the expected events in their new order. Events without a group stay where they are.
    """
    first_seen: dict[str, int] = {}
    for position, event in enumerate(detected):
        first_seen.setdefault(event.action, position)
    order = list(range(len(expected)))
    for group in {event.group for event in expected} - {None}:
        places = [i for i, event in enumerate(expected) if event.group == group]
        members = sorted(places, key=lambda i: first_seen.get(expected[i].action, len(detected)))
        for place, member in zip(places, members):
            order[place] = member
    return order


def match_actions(expected: Sequence[str], detected: Sequence[str]) -> list[tuple[int, int, bool]]:
    """Match expected with detected actions.

    As many as possible are matched in order (a longest common subsequence), then equal actions at any position.

    Args:
        expected: the actions of the prompt, in order.
        detected: the actions in the motion, in order.

    Returns:
        (position among the expected, position among the detected, whether in order), sorted by the first.
    """
    # longest[i][j] is the length of the longest common subsequence of expected[i:] and detected[j:].
    n, k = len(expected), len(detected)
    longest = [[0] * (k + 1) for _ in range(n + 1)]
    for i in reversed(range(n)):
        for j in reversed(range(k)):
            same = expected[i] == detected[j]
            longest[i][j] = 1 + longest[i + 1][j + 1] if same else max(longest[i + 1][j], longest[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < n and j < k:
        if expected[i] == detected[j]:
            pairs.append((i, j, True))
            i, j = i + 1, j + 1
        elif longest[i + 1][j] >= longest[i][j + 1]:
            i += 1
        else:
            j += 1
    # Events in the wrong place are matched after those in order, so that they never take the place of one.
    free = [j for j in range(k) if j not in {pair[1] for pair in pairs}]
    for i in sorted(set(range(n)) - {pair[0] for pair in pairs}):
        j = next((j for j in free if detected[j] == expected[i]), None)
        if j is not None:
            free.remove(j)
            pairs.append((i, j, False))
    return sorted(pairs)


def exact(expected: Sequence[Event], detected: Events) -> bool:
    """Whether the same events happen as expected, with the same counts and order and nothing else.

    Args:
        expected: the events of the prompt, in order.
        detected: the events in the motion, in order.
    """
    pairs, found = merge_repeats(_arranged(expected, detected)), merge_repeats(detected)
    return len(pairs) == len(found) and all(
        action == other and count in (None, times) for (action, count), (other, times) in zip(pairs, found)
    )


def score(task: Task, expected: Sequence[Event], detected: Events) -> float:
    """Score detected events by the rubric of a task.

    Args:
        task: "integrity", "temporal" or "frequency".
        expected: the events of the prompt, in order.
        detected: the events in the motion, in order.

    Returns:
        The score, 1 to 5.

    Raises:
        AtomError: for an unknown task or no expected event.
    """
    if task not in TASKS:
        raise AtomError(f"unknown task {task!r}; known tasks: {', '.join(TASKS)}")
    if not expected:
        raise AtomError("there is no expected event to judge a motion by; give at least one")
    return float(
        min(max(_RUBRICS[task](merge_repeats(_arranged(expected, detected)), merge_repeats(detected)), 1.0), 5.0)
    )


def _arranged(expected: Sequence[Event], detected: Events) -> list[Event]:
    return [expected[i] for i in arrange_groups(expected, detected)]


def _recall_precision_order(expected: ActionCounts, detected: ActionCounts) -> tuple[float, float, float]:
    """Recall, precision and order; precision and order are 1 where nothing is detected, as nothing is done wrong."""
    pairs = match_actions([action for action, _ in expected], [action for action, _ in detected])
    found = len(pairs)
    ordered = sum(in_order for _, _, in_order in pairs)
    return found / len(expected), found / len(detected) if detected else 1.0, ordered / found if found else 1.0


def _temporal(expected: ActionCounts, detected: ActionCounts) -> float:
    recall, precision, order = _recall_precision_order(expected, detected)
    # All events in order: only what is there beside them costs, down to 2.5.
    if recall == 1 and order == 1:
        return 5 - 2.5 * (1 - precision)
    return 1 + 3 * recall - 0.4 * (1 - order) - 2.5 * recall * (1 - precision)


def _integrity(expected: ActionCounts, detected: ActionCounts) -> float:
    recall, _, _ = _recall_precision_order(expected, detected)
    # 4 times the F1 score of the events, from 1 to 5.
    return 1 + 4 * 2 * recall * len(expected) / (len(expected) + len(detected))


def _frequency(expected: ActionCounts, detected: ActionCounts) -> float:
    _, precision, _ = _recall_precision_order(expected, detected)
    expected_counts, detected_counts = total_counts(expected), total_counts(detected)
    uncounted = {action for action, count in expected if count is None}
    ratios = [
        float(detected_counts[action] > 0)
        # Any number of repetitions is right where the text gives none, but none at all is not.
        if action in uncounted
        else min(detected_counts[action], count) / max(detected_counts[action], count)
        for action, count in expected_counts.items()
    ]
    return 1 + 4 * sum(ratios) / len(ratios) * (1 + precision) / 2


def total_counts(events: ActionCounts) -> Counter[str]:
    """How often each action happens in all, from merged (action, count) pairs; without a count, at least once."""
    totals: Counter[str] = Counter()
    for action, count in events:
        totals[action] += 1 if count is None else count
    return totals


_RUBRICS = {"temporal": _temporal, "integrity": _integrity, "frequency": _frequency}
