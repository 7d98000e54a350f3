"""Checks of a written prompt: it must describe its events, in plain words, describe nothing else, and be new.

The reasons for a rejection are sent to the language model with the next attempt, so their texts are part of its prompt.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from atom.events import Composition, Task, composition_key, is_known
from atom.judging.rubric import CountedAction, merge_repeats
from atom.judging.vision.questions import plain_phrase
from atom.prompts.reading import read_text

MAX_CHARACTERS = 240
_DUPLICATE_SIMILARITY = 0.8  # Jaccard similarity of word trigrams from which two texts are duplicates

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 ,.;:'!?-]|^-")
_MIXED_TOKEN = re.compile(r"\w*(?:\d[a-z]|[a-z]\d)\w*|\bx \d+", re.IGNORECASE)
_NUMBERING = re.compile(r"^\s*\d+[.)]")
_ORDER_WORD = re.compile(
    r"\b(?:then|after|afterwards?|before|finally|next|first|firstly|second|last|lastly|later|subsequently|followed)\b",
    re.IGNORECASE,
)
_SIMULTANEOUS = re.compile(r"\b(?:simultaneously|meanwhile|(?:at|in) the same time|while|as|when)\b", re.IGNORECASE)
_ADVERB = re.compile(r"\b(?:simultaneously|meanwhile|(?:at|in) the same time)\b", re.IGNORECASE)

# Words inside the phrase of an event that do not change its meaning.
_FILLER = re.compile(r"an?|the|his|her|their|its|own|again|very|just|slow|quick|fast|big|small|high|low|deep|\w+ly")


def find_fault(text: str, events: Composition, task: Task) -> str | None:
    """Says why a text can't be the prompt of some events.

    Args:
        text: the text to check.
        events: the events that it must describe, in order.
        task: task of the prompt.

    Returns:
        The reason, or None if the text is valid.
    """
    if form_fault := _find_form_fault(text):
        return form_fault
    return "; ".join(filter(None, [_find_content_fault(text, events), _find_order_fault(text, events, task)])) or None


def find_claim_mismatch(claims: Sequence[CountedAction], expected: Composition) -> str | None:
    """Says how the events that the writer claims to have described differ from the expected ones.

    Args:
        claims: the claimed events, with their actions in words.
        expected: the events that the text should describe.

    Returns:
        The difference, or None if there is none.
    """
    parsed = [(_parse_action(claim.action, expected), claim) for claim in claims]
    if unread := [claim.action for action, claim in parsed if action is None]:
        return f"events that are not in the list: {', '.join(unread)}"
    difference = _describe_difference([_Claim(action, claim.count) for action, claim in parsed if action], expected)
    return difference and f"events given beside the text differ: {difference}"


def assign_phrases(text: str, events: Composition) -> Composition:
    """Gives each event its phrase from a text.

    Args:
        text: a valid text of these events; see `find_fault`.
        events: the events; neighbours are different actions.

    Returns:
        The events with their phrases.
    """
    # A text may repeat an action as several events in a row ("jumps, then jumps again"), which are one event here.
    runs = [[*run] for _, run in groupby(read_text(text).events, key=lambda event: event.action)]
    return tuple(replace(event, phrase=", ".join(part.phrase for part in run)) for event, run in zip(events, runs))


def format_events(events: Iterable[CountedAction]) -> str:
    """Lists events in plain words, in order: `jumps x2; waves with the left hand x1`."""
    return "; ".join(f"{plain_phrase(event.action)} x{event.count}" for event in events)


class DuplicateFilter:
    """Finds texts that are the same as an earlier one or almost so.

    Texts of different events are never duplicates, however similar they are: "left" is not "right".
    """

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._by_events: dict[str, list[str]] = {}

    def find_duplicate(self, text: str, events: Composition) -> str | None:
        """Finds an earlier text that says the same.

        A duplicate differs only in case, spaces and punctuation. Or it has the same events and differs only in subject,
        articles, adverbs and connectives, or shares most trigrams of words.

        Args:
            text: the new text.
            events: the events that it describes.

        Returns:
            The earlier text, or None.
        """
        if same := self._texts.get(_normalize(text)):
            return same
        for earlier in self._by_events.get(composition_key(events), []):
            if (
                _content_words(earlier) == _content_words(text)
                or _trigram_similarity(earlier, text) >= _DUPLICATE_SIMILARITY
            ):
                return earlier
        return None

    def add(self, text: str, events: Composition) -> None:
        """Adds an accepted text.

        Args:
            text: the text.
            events: the events that it describes.
        """
        self._texts[_normalize(text)] = text
        self._by_events.setdefault(composition_key(events), []).append(text)


@dataclass(frozen=True)
class _Claim:
    action: str
    count: int


def _find_form_fault(text: str) -> str | None:
    if not re.search("[A-Za-z]", text):
        return "empty: there are no words"
    if len(text.splitlines()) > 1:
        return f"more than one line: {len(text.splitlines())} lines instead of one sentence"
    if len(text) > MAX_CHARACTERS:
        return f"too long: {len(text)} characters instead of at most {MAX_CHARACTERS}"
    if characters := list(dict.fromkeys(_NOT_PLAIN.findall(text))):
        return f"not plain words: {' '.join(map(repr, characters))}"
    if tokens := _NUMBERING.findall(text) or _MIXED_TOKEN.findall(text):
        return f"not plain words: {', '.join(map(repr, tokens))}"
    return None


def _find_order_fault(text: str, events: Composition, task: Task) -> str | None:
    if _ADVERB.search(text) or any(event.group is not None for event in read_text(text).events):
        word = _SIMULTANEOUS.search(text)
        return f"told as happening at once{f': {word[0]!r}' if word else ''}; the events follow one another"
    found, needed = len(_ORDER_WORD.findall(text)), len(events) - 1
    if task == "temporal" and found < needed:
        return f"order not told: {found} words such as then, after that, before or finally, and {needed} are needed"
    return None


def _find_content_fault(text: str, events: Composition) -> str | None:
    # What a text tells without a number happens once.
    return _describe_difference([_Claim(event.action, event.count or 1) for event in read_text(text).events], events)


def _describe_difference(found: Iterable[CountedAction], expected: Iterable[CountedAction]) -> str | None:
    """Lists missing events, extra events, wrong counts and a wrong order."""
    found_pairs, expected_pairs = merge_repeats(list(found)), merge_repeats(list(expected))
    found_actions, expected_actions = [action for action, _ in found_pairs], [action for action, _ in expected_pairs]
    missing = Counter(expected_actions) - Counter(found_actions)
    extra = Counter(found_actions) - Counter(expected_actions)
    reasons = []
    if missing:
        reasons.append(f"missing: {', '.join(map(plain_phrase, missing.elements()))}")
    if extra:
        reasons.append(f"not asked for: {', '.join(map(plain_phrase, extra.elements()))}")
    for action in dict.fromkeys(expected_actions):
        counts, right = ([n for other, n in pairs if other == action] for pairs in (found_pairs, expected_pairs))
        if len(counts) == len(right) and counts != right:
            reasons.append(
                f"wrong count: {plain_phrase(action)} {_format_counts(counts)} instead of {_format_counts(right)}"
            )
    if not missing and not extra and found_actions != expected_actions:
        found_order, right_order = ("; ".join(map(plain_phrase, each)) for each in (found_actions, expected_actions))
        reasons.append(f"wrong order: {found_order} instead of {right_order}")
    return "; ".join(reasons) or None


def _format_counts(counts: list[int]) -> str:
    return " and ".join(f"x{count}" for count in counts)


def _parse_action(words: str, expected: Composition) -> str | None:
    """The action of a phrase such as "waves with the left hand".

    None if it is not exactly one of the expected or known actions.
    """
    plain = _normalize(words)
    for event in expected:
        if plain == _normalize(plain_phrase(event.action)):
            return event.action
    actions = {event.action for event in read_text(f"a person {words}").events}
    action = actions.pop() if len(actions) == 1 else None
    return action if action and (is_known(action) or action in {event.action for event in expected}) else None


def _normalize(text: str) -> str:
    return " ".join(re.findall("[a-z0-9]+", text.lower()))


def _content_words(text: str) -> list[str]:
    """The words of the events. In a valid text only the subject and the connectives lie outside of them."""
    words = " ".join(event.phrase for event in read_text(text).events).split()
    return [word for word in words if not _FILLER.fullmatch(word)]


def _trigram_similarity(first: str, second: str) -> float:
    """Jaccard similarity of the word trigrams of two texts."""
    ours, others = _trigrams(first), _trigrams(second)
    return len(ours & others) / len(ours | others)


def _trigrams(text: str) -> set[tuple[str, ...]]:
    words = _normalize(text).split()
    return {tuple(words[start : start + 3]) for start in range(max(len(words) - 2, 1))}
