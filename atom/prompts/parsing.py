"""The parser from free text to events: longest match of the lexicon over words in base form."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from atom.errors import AtomError
from atom.events import ACTIONS, MAX_COUNT, Event
from atom.prompts.lexicon import LOOKALIKES, NUMBERS, PHRASINGS, SYNONYMS


def _word_set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NUMBERS = {
    **{word: n for n, word in NUMBERS.items()},
    **{"six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10},
    "single": 1,
    "couple of": 2,
    "couple": 2,
    "pair of": 2,
}
_TIMES = {"once": 1, "twice": 2, "thrice": 3}
_SLOT_REGEXES = {
    "{side}": "(?P<side>left|right) ",
    "{n}": rf"(?P<n>\d+|{'|'.join(_NUMBERS)}) ",
    "{times}": f"(?P<times>{'|'.join(_TIMES)}) ",
}
_COUNT_PATTERNS = ("for? {times}", "for? {n} more? time|x|rep|repetition", "x {n}")
_LIMB_PATTERN = "with|using? {side} hand|arm|fist|leg|foot"
# The families that use a limb: nobody kicks with the hand, and "turns with the left foot" is no left turn.
_USED_BY = dict.fromkeys(("hand", "arm", "fist"), ("wave", "raise_arm", "punch", "throw")) | dict.fromkeys(
    ("leg", "foot"), ("kick", "lunge", "hop")
)

# Articles, possessives and adverbs of manner. They never change what happens, so they are removed before matching.
_STOP_WORDS = _word_set(
    """a an the his her their its my your own again very simply just slow slowly quick quickly fast rapidly slightly
    careful carefully gently calmly casually briskly steadily vigorously happily similarly big small little high low
    deep deeply"""
)
# Words around the events that mean nothing by themselves. Every other word outside of an event is reported as unknown.
_FILLER_WORDS = _word_set(
    """person man woman someone somebody figure human character individual boy girl guy lady child people avatar subject
    actor he she they it who which that this is are was were be been being stand still there to also with by in order
    begin begins beginning began start starts starting started continue continues continuing continued proceed proceeds
    end ends ending finish finishes finishing appear appears seem seems try tries first firstly second next last lastly
    later subsequently immediately simultaneously meanwhile followed"""
)
# Words that are never reported alone, but together with the unknown words around them.
_PARTICLES = _word_set("up down in on of off out from for at into onto over toward towards place time")
_NEGATIONS = _word_set("not never without don't doesn't didn't instead")

# Words and signs between events that state their order, by their meaning for the parser.
_ORDER_MARKS = {
    "stop": (".", ";"),
    "comma": (",",),
    "and": ("and",),
    "then": ("then|but|finally|afterwards|afterward|while|as|when", "after that|this|which|while|moment"),
    "earlier": ("before that|this|which",),  # what follows happened before the last event
    "before": ("before",),
    "after": ("after",),
}

_IRREGULAR = {
    "bent": "bend",
    "did": "do",
    "does": "do",
    "done": "do",
    "feet": "foot",
    "gave": "give",
    "given": "give",
    "goes": "go",
    "gone": "go",
    "got": "get",
    "held": "hold",
    "knelt": "kneel",
    "leapt": "leap",
    "made": "make",
    "ran": "run",
    "risen": "rise",
    "rose": "rise",
    "sank": "sink",
    "sat": "sit",
    "spun": "spin",
    "stood": "stand",
    "swung": "swing",
    "taken": "take",
    "themselves": "self",
    "threw": "throw",
    "thrown": "throw",
    "took": "take",
    "went": "go",
    **dict.fromkeys(("himself", "herself", "itself"), "self"),
    **{f"{way}s": way for way in ("forward", "backward", "upward", "onward")},
}
_DOUBLED_CONSONANT = _word_set("clap drop get grab hop jab jog put run sit spin squat step sidestep")
_PUNCTUATION = str.maketrans("’!?:-", "'..; ")
_WORD = re.compile(r"\d+|[a-z]+(?:'[a-z]+)?|[.,;]")


@dataclass(frozen=True)
class ParsedText:
    """The result of parsing a text.

    Attributes:
        events: the events in the order in which they happen, each with its phrase.
        unknown: the parts of the text that no event covers.
    """

    events: tuple[Event, ...]
    unknown: list[str]


def parse_events(text: str) -> ParsedText:
    """Parses free text into events. It understands any verb form, sides, counts, "before" and "after".

    The parser does not guess. `unknown` lists what the events leave out, in the text's own words and in lower case:
    other actions, actions without their side ("waves (left or right?)"), vague counts ("several times"), counts that
    an event can't have (the event then has a count of one), and negated actions. A text without words is an AtomError.
    """
    text = text.lower().translate(_PUNCTUATION)
    words = [_Word(_base_form(match[0]), *match.span()) for match in _WORD.finditer(text)]
    if not any(word.base[0].isalpha() for word in words):
        raise AtomError("the text is empty: describe what the person does, such as 'a person jumps twice'")
    mentions: list[_EventMention | str] = []  # and the order marks between them
    unknown: list[str] = []
    clause: list[_Chunk] = []
    for chunk in _split_into_chunks([word for word in words if word.base not in _STOP_WORDS]):
        if chunk.kind == "mark":
            mentions += [*_read_clause(clause, text, unknown), chunk.meaning]
            clause = []
        else:
            clause.append(chunk)
    mentions += _read_clause(clause, text, unknown)
    return ParsedText(tuple(_sort_chronologically(mentions)), unknown)


_ChunkKind = Literal["action", "lookalike", "count", "limb", "mark", "word"]


@dataclass(frozen=True)
class _Word:
    base: str
    start: int
    end: int


@dataclass(frozen=True)
class _Pattern:
    """A sequence of words in base form.

    Attributes:
        kind: what the words are; "word" is a single word of no other kind.
        meaning: the family of an action, or which mark of order it is.
        regex: matches the words, each followed by a space.
    """

    kind: _ChunkKind
    meaning: str
    regex: re.Pattern[str]


_ANY_WORD_PATTERN = _Pattern("word", "", re.compile(r"\S+ "))


@dataclass(frozen=True)
class _Chunk:
    """Words of the text that match one pattern."""

    kind: _ChunkKind
    meaning: str
    words: list[_Word]
    slots: dict[str, str | None]

    @property
    def number(self) -> int | None:
        if self.slots.get("times"):
            return _TIMES[self.slots["times"]]
        word = self.slots.get("n")
        return None if word is None else _NUMBERS.get(word) or int(word)

    @property
    def is_filler(self) -> bool:
        return self.kind == "word" and self.words[0].base in _FILLER_WORDS

    @property
    def is_content(self) -> bool:
        """Whether it must be reported if no event covers it."""
        return not self.is_filler and not (self.kind == "word" and self.words[0].base in _PARTICLES)


@dataclass(frozen=True)
class _EventMention:
    event: Event
    is_gerund: bool  # such as "waving"


_SIDED_FAMILIES = {action.family for action in ACTIONS.values() if action.side}


def _split_into_chunks(words: list[_Word]) -> Iterator[_Chunk]:
    """Splits the words from left to right, by the longest pattern that matches at each position."""
    line = "".join(f"{word.base} " for word in words)
    position = number = 0  # in the characters of the line, and in the words
    while number < len(words):
        matches = [
            (pattern, pattern.regex.match(line, position)) for pattern in _patterns_starting_with(words[number].base)
        ]
        pattern, match = max(((p, m) for p, m in matches if m), key=lambda pair: pair[1].end())
        size = match[0].count(" ")
        yield _Chunk(pattern.kind, pattern.meaning, words[number : number + size], match.groupdict())
        position, number = match.end(), number + size


def _read_clause(clause: list[_Chunk], text: str, unknown: list[str]) -> list[_EventMention]:
    """The events between two order marks. Appends what they do not cover to `unknown`."""
    clause, limb_side = _extract_limb_side(clause)
    mentions: list[_EventMention] = []
    rest: list[_Chunk] = []  # since the last event, not understood
    while clause:
        chunk, *clause = clause
        if chunk.kind != "action" or any(word.base in _NEGATIONS for other in rest for word in other.words):
            rest.append(chunk)
            continue
        _report_unknown(rest, text, unknown)
        rest = []
        count, clause = _extract_count(chunk, clause)
        phrase = text[chunk.words[0].start : (count or chunk).words[-1].end]
        event, complaint = _make_event(chunk, chunk.slots.get("side") or limb_side, (count or chunk).number, phrase)
        if event:
            mentions.append(_EventMention(event, text[: chunk.words[0].end].endswith("ing")))
        if complaint:
            unknown.append(f"{phrase} ({complaint})")
    _report_unknown(rest, text, unknown)
    return mentions


def _extract_limb_side(clause: list[_Chunk]) -> tuple[list[_Chunk], str | None]:
    """The side of the only limb ("with the left hand"), if the only sided action has no side of its own and uses it."""
    limbs = [chunk for chunk in clause if chunk.kind == "limb"]
    sideless = [p for p in clause if p.kind == "action" and p.meaning in _SIDED_FAMILIES and not p.slots.get("side")]
    if len(limbs) != 1 or len(sideless) != 1 or sideless[0].meaning not in _USED_BY[limbs[0].words[-1].base]:
        return clause, None
    return [chunk for chunk in clause if chunk is not limbs[0]], limbs[0].slots["side"]


def _extract_count(chunk: _Chunk, following: list[_Chunk]) -> tuple[_Chunk | None, list[_Chunk]]:
    """The count that follows an action with no content word in between, and the chunks after it."""
    place = next((place for place, other in enumerate(following) if other.is_content), None)
    if chunk.number is not None or place is None or following[place].kind != "count":
        return None, following
    return following[place], following[place + 1 :]


def _make_event(chunk: _Chunk, side: str | None, number: int | None, phrase: str) -> tuple[Event | None, str]:
    """The event of an action, and what is wrong with its wording."""
    action = chunk.meaning
    if action in _SIDED_FAMILIES:
        if side is None:
            return None, "left or right?"
        action = f"{action}_{side}"
    if number is not None and number != 1 and not ACTIONS[action].countable:
        return Event(action, phrase=phrase), "can't be counted"
    if number is not None and not 1 <= number <= MAX_COUNT:
        return Event(action, phrase=phrase), f"only 1 to {MAX_COUNT} can be counted"
    return Event(action, number or 1, phrase), ""


def _report_unknown(rest: list[_Chunk], text: str, unknown: list[str]) -> None:
    """Reports the words that no event covers, without the filler words around them."""
    if not any(chunk.is_content for chunk in rest):
        return
    positions = [place for place, chunk in enumerate(rest) if not chunk.is_filler]
    first, last = rest[positions[0]], rest[positions[-1]]
    unknown.append(text[first.words[0].start : last.words[-1].end])


def _sort_chronologically(mentions: Iterable[_EventMention | str]) -> list[Event]:
    """Sorts events by when they happen: "B after A" and "before B, A" both mean A, B; other events keep their order.

    An inverting "before" or "after" covers the next event, and the gerunds that "and" alone joins to it. The events of
    a leading "before" come after all events up to the next "then" or full stop.
    """
    happened: list[Event] = []
    waiting: list[Event] = []
    marks: list[str] = ["stop"]
    place = -1  # where a trailing "after" inserts its events; -1 outside of one
    has_main_event = False  # whether an event came since the leading "before" of `waiting`
    for mention in mentions:
        if isinstance(mention, str):
            marks.append(mention)
            if mention in ("then", "stop") and has_main_event:
                happened, waiting = happened + waiting, []
            continue
        is_joined = marks == ["and"] and mention.is_gerund
        inversion = _inversion_of(marks)
        if (waiting and not has_main_event and is_joined) or inversion == "leading before":
            waiting.append(mention.event)
            has_main_event = False
        elif (place >= 0 and is_joined) or inversion == "trailing after":
            place = place + 1 if place >= 0 and is_joined else max(len(happened) - 1, 0)
            happened.insert(place, mention.event)
        else:
            happened.append(mention.event)
            place, has_main_event = -1, True
        marks = []
    return happened + waiting


def _inversion_of(marks: list[str]) -> str:
    """How the marks in front of an event invert the order: not at all (empty), "leading before" or "trailing after"."""
    if marks[-1:] == ["earlier"] or marks == ["after"]:
        return "trailing after"
    if marks[-1:] == ["before"] and {"stop", "then", "and"} & set(marks):
        return "leading before"
    return ""


def _base_form(word: str) -> str:
    return _base_forms().get(word, word)


@cache
def _base_forms() -> dict[str, str]:
    patterns = [*LOOKALIKES, *_COUNT_PATTERNS, *(pattern for patterns in SYNONYMS.values() for pattern in patterns)]
    bases = {word for pattern in patterns for slot in pattern.split() for word in slot.rstrip("?").split("|")}
    forms = {form: base for base in sorted(bases) if base.isalpha() for form in _inflections(base)}
    return forms | _IRREGULAR | {base: base for base in bases}


def _inflections(base: str) -> list[str]:
    stem = base.removesuffix("e") if not base.endswith("ee") else base
    if base in _DOUBLED_CONSONANT:
        stem += base[-1]
    consonant_y = base.endswith("y") and base[-2:-1] not in "aeiou"
    plural = base[:-1] + "ies" if consonant_y else base + ("es" if base.endswith(("s", "x", "z", "ch", "sh")) else "s")
    return [plural, stem + "ing", base[:-1] + "ied" if consonant_y else stem + "ed"]


@cache
def _patterns_starting_with(first: str) -> list[_Pattern]:
    """The patterns that may start with this word; the last one matches any single word."""
    return [*_pattern_index()["#" if first.isdigit() else first], _ANY_WORD_PATTERN]


@cache
def _pattern_index() -> defaultdict[str, list[_Pattern]]:
    index: defaultdict[str, list[_Pattern]] = defaultdict(list)
    for kind, meaning, words in _all_patterns():
        slots = words.split()
        pattern = _Pattern(kind, meaning, re.compile("".join(map(_slot_regex, slots))))
        for slot in slots:
            for word in _first_words(slot):
                if pattern not in index[word]:
                    index[word].append(pattern)
            if not slot.endswith("?"):
                break
    return index


def _all_patterns() -> Iterator[tuple[_ChunkKind, str, str]]:
    for family, phrasings in PHRASINGS.items():
        for phrasing in phrasings:
            for sentence in (phrasing.once, phrasing.often.removesuffix(" {times}")):
                bases = (_base_form(word) for word in sentence.split())
                yield "action", family, " ".join(base for base in bases if base not in _STOP_WORDS)
    for family, patterns in SYNONYMS.items():
        for pattern in patterns:
            yield "action", family, pattern
    for pattern in LOOKALIKES:
        yield "lookalike", "", pattern
    for pattern in _COUNT_PATTERNS:
        yield "count", "", pattern
    yield "limb", "", _LIMB_PATTERN
    for meaning, patterns in _ORDER_MARKS.items():
        for pattern in patterns:
            yield "mark", meaning, pattern


def _slot_regex(slot: str) -> str:
    name = slot.removesuffix("?")
    regex = _SLOT_REGEXES.get(name) or f"(?:{'|'.join(map(re.escape, name.split('|')))}) "
    return f"(?:{regex})?" if slot.endswith("?") else regex


def _first_words(slot: str) -> list[str]:
    name = slot.removesuffix("?")
    numbers = ["#", *(number.split()[0] for number in _NUMBERS)]
    return {"{side}": ["left", "right"], "{n}": numbers, "{times}": list(_TIMES)}.get(name) or name.split("|")
