"""Whether a text that somebody else wrote may stand for its events: it must tell them, nothing else, and be new.

All reasons are written for the writer, who gets them with the next try.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from atom.errors import AtomError
from atom.events import Composition, Task, composition_key
from atom.judging.rubric import CountedAction, merge_repeats
from atom.judging.vision.questions import said
from atom.prompts.parsing import parse_events

LONGEST = 240  # characters
_LIKENESS = 0.8  # share of common word trigrams from which two texts count as the same

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 ,.;:'!?-]|^-")
_GLUED = re.compile(r"\w*(?:\d[a-z]|[a-z]\d)\w*|\bx \d+", re.IGNORECASE)
_ORDER = re.compile(
    r"\b(?:then|after|afterwards?|before|finally|next|first|firstly|second|last|lastly|later|subsequently|followed)\b",
    re.IGNORECASE,
)
_AT_ONCE = re.compile(r"\b(?:while|as|when|meanwhile|simultaneously)\b", re.IGNORECASE)

# Within the words of an event, these change nothing about it.
_FILLER = re.compile(r"an?|the|his|her|their|its|own|again|very|just|slow|quick|fast|big|small|high|low|deep|\w+ly")


def fault(text: str, wanted: Composition, task: Task) -> str | None:
    """Why `text` can't be accepted as the prompt of these events in this order, or None if it can."""
    if wrong_form := _fault_of_form(text):
        return wrong_form
    return "; ".join(filter(None, [_fault_of_content(text, wanted), _fault_of_order(text, wanted, task)])) or None


def claims_differ(claimed: Sequence[CountedAction], wanted: Composition) -> str | None:
    """How the events that the writer says it told differ from the wanted ones; their actions are given in words."""
    read = [(_action(claim.action), claim) for claim in claimed]
    if unread := [claim.action for action, claim in read if action is None]:
        return f"events that are not in the list: {', '.join(unread)}"
    difference = _difference([_Claim(action, claim.count) for action, claim in read if action], wanted)
    return difference and f"events given beside the text differ: {difference}"


def with_phrases(text: str, wanted: Composition) -> Composition:
    """The wanted events, each with its words from a text without a fault; neighbours are different actions."""
    # What is told as several events of one action in a row ("jumps, then jumps again") is one event here.
    told = [[*group] for _, group in groupby(parse_events(text).events, key=lambda event: event.action)]
    return tuple(replace(event, phrase=", ".join(part.phrase for part in parts)) for event, parts in zip(wanted, told))


def listed(events: Iterable[CountedAction]) -> str:
    """`jumps x2; waves with the left hand x1`: events in plain words, in order."""
    return "; ".join(f"{said(event.action)} x{event.count}" for event in events)


class Duplicates:
    """Texts that are taken, to find out whether another says the same in almost the same words.

    Texts of different events are never near to each other, however alike they look: left is not right.
    """

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._by_events: dict[str, list[str]] = {}

    def twin(self, text: str, events: Composition) -> str | None:
        """The earlier text that is the same but for case, space and punctuation; or that tells the same events and
        differs only in subject, articles, adverbs and connectives, or shares most rows of three words."""
        if same := self._texts.get(_normal(text)):
            return same
        for earlier in self._by_events.get(composition_key(events), []):
            if _content(earlier) == _content(text) or _likeness(earlier, text) >= _LIKENESS:
                return earlier
        return None

    def add(self, text: str, events: Composition) -> None:
        self._texts[_normal(text)] = text
        self._by_events.setdefault(composition_key(events), []).append(text)


@dataclass(frozen=True)
class _Claim:
    action: str
    count: int


def _fault_of_form(text: str) -> str | None:
    if not re.search("[A-Za-z]", text):
        return "empty: there are no words"
    if len(text.splitlines()) > 1:
        return f"more than one line: {len(text.splitlines())} lines instead of one sentence"
    if len(text) > LONGEST:
        return f"too long: {len(text)} characters instead of at most {LONGEST}"
    if strange := list(dict.fromkeys(_NOT_PLAIN.findall(text))):
        return f"not plain words: {' '.join(map(repr, strange))}"
    if glued := _GLUED.findall(text):
        return f"not plain words: {', '.join(map(repr, glued))}"
    return None


def _fault_of_order(text: str, wanted: Composition, task: Task) -> str | None:
    if at_once := _AT_ONCE.search(text):
        return f"told as happening at once: {at_once[0]!r}; the events follow one another"
    told, needed = len(_ORDER.findall(text)), len(wanted) - 1
    if task == "temporal" and told < needed:
        return f"order not told: {told} words such as then, after that, before or finally, and {needed} are needed"
    return None


def _fault_of_content(text: str, wanted: Composition) -> str | None:
    parsed = parse_events(text)
    reasons = [f"not understood: {', '.join(parsed.unknown)}"] if parsed.unknown else []
    if difference := _difference(parsed.events, wanted):
        reasons.append(difference)
    return "; ".join(reasons) or None


def _difference(told: Iterable[CountedAction], wanted: Iterable[CountedAction]) -> str | None:
    """Events that are missing, not asked for, told with another count or in another order."""
    told_pairs, wanted_pairs = merge_repeats(list(told)), merge_repeats(list(wanted))
    told_actions, wanted_actions = [action for action, _ in told_pairs], [action for action, _ in wanted_pairs]
    missing = Counter(wanted_actions) - Counter(told_actions)
    extra = Counter(told_actions) - Counter(wanted_actions)
    reasons = []
    if missing:
        reasons.append(f"missing: {', '.join(map(said, missing.elements()))}")
    if extra:
        reasons.append(f"not asked for: {', '.join(map(said, extra.elements()))}")
    for action in dict.fromkeys(wanted_actions):
        counts, right = ([n for other, n in pairs if other == action] for pairs in (told_pairs, wanted_pairs))
        if len(counts) == len(right) and counts != right:
            reasons.append(f"wrong count: {said(action)} {_times(counts)} instead of {_times(right)}")
    if not missing and not extra and told_actions != wanted_actions:
        told_order, right_order = "; ".join(map(said, told_actions)), "; ".join(map(said, wanted_actions))
        reasons.append(f"wrong order: {told_order} instead of {right_order}")
    return "; ".join(reasons) or None


def _times(counts: list[int]) -> str:
    return " and ".join(f"x{count}" for count in counts)


def _action(words: str) -> str | None:
    """The action that words such as "waves with the left hand" mean, if they mean one."""
    try:
        actions = {event.action for event in parse_events(words).events}
    except AtomError:  # no words
        return None
    return actions.pop() if len(actions) == 1 else None


def _normal(text: str) -> str:
    return " ".join(re.findall("[a-z0-9]+", text.lower()))


def _content(text: str) -> list[str]:
    """The words that make the events; of a text without a fault, only subject and connectives are outside of these."""
    words = " ".join(event.phrase for event in parse_events(text).events).split()
    return [word for word in words if not _FILLER.fullmatch(word)]


def _likeness(first: str, second: str) -> float:
    """Share of the rows of three words that two texts have in common (Jaccard)."""
    rows, others = _trigrams(first), _trigrams(second)
    return len(rows & others) / len(rows | others)


def _trigrams(text: str) -> set[tuple[str, ...]]:
    words = _normal(text).split()
    return {tuple(words[at : at + 3]) for at in range(max(len(words) - 2, 1))}
