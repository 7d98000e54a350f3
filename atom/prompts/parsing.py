"""Free wording to events: longest match of the lexicon over words in base form. What isn't understood is reported."""

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


def _set(words: str) -> frozenset[str]:
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
_SLOTS = {
    "{side}": "(?P<side>left|right) ",
    "{n}": rf"(?P<n>\d+|{'|'.join(_NUMBERS)}) ",
    "{times}": f"(?P<times>{'|'.join(_TIMES)}) ",
}
_COUNTS = ("for? {times}", "for? {n} more? time|x|rep|repetition", "x {n}")
_LIMB = "with|using? {side} hand|arm|fist|leg|foot"

# Articles, possessives and manners: they never change what happens, so they may stand anywhere in a pattern.
_DROPPED = _set(
    """a an the his her their its my your own again very simply just slow slowly quick quickly fast rapidly slightly
    careful carefully gently calmly casually briskly steadily vigorously happily similarly big small little high low
    deep deeply"""
)
# Words around the events that ask for nothing. Whatever else no event claims is reported as unknown.
_SILENT = _set(
    """person man woman someone somebody figure human character individual boy girl guy lady child people avatar subject
    actor he she they it who which that this is are was were be been being stand still there to also with by in order
    begin begins beginning began start starts starting started continue continues continuing continued proceed proceeds
    end ends ending finish finishes finishing appear appears seem seems try tries first firstly second next last lastly
    later subsequently immediately simultaneously meanwhile followed"""
)
# Say nothing on their own, but belong to the words around them when those are reported.
_PARTICLES = _set("up down in on of off out from for at into onto over toward towards place time")
_NEGATIONS = _set("not never without don't doesn't didn't instead")

# What stands between events and tells their order, by what it means for the parser.
_MARKS = {
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
_DOUBLING = _set("clap drop get grab hop jab jog put run sit spin squat step sidestep")
_PUNCTUATION = str.maketrans("’!?:-", "'..; ")
_WORD = re.compile(r"\d+|[a-z]+(?:'[a-z]+)?|[.,;]")


@dataclass(frozen=True)
class ParsedText:
    """The events in the order in which they happen, each with its words, and the parts of the text beyond them."""

    events: tuple[Event, ...]
    unknown: list[str]


def parse_events(text: str) -> ParsedText:
    """Reads events from free wording, in any verb form, with sides, counts, "before" and "after".

    Nothing is guessed. `unknown` lists, in the text's own words and in lower case, what the events leave out: other
    actions, actions without their side ("waves (left or right?)"), vague counts ("several times"), counts that an event
    can't have (it is then taken once), and what is said not to happen.
    Raises AtomError when the text has no words.
    """
    text = text.lower().translate(_PUNCTUATION)
    words = [_Word(_base_form(match[0]), *match.span()) for match in _WORD.finditer(text)]
    if not any(word.base[0].isalpha() for word in words):
        raise AtomError("the text is empty: say what the person does, such as 'a person jumps twice'")
    told: list[_Told | str] = []
    unknown: list[str] = []
    clause: list[_Piece] = []
    for piece in _pieces([word for word in words if word.base not in _DROPPED]):
        if piece.kind == "mark":
            told += [*_read_clause(clause, text, unknown), piece.meaning]
            clause = []
        else:
            clause.append(piece)
    told += _read_clause(clause, text, unknown)
    return ParsedText(tuple(_in_order_of_happening(told)), unknown)


Kind = Literal["action", "lookalike", "count", "limb", "mark", "word"]


@dataclass(frozen=True)
class _Word:
    base: str
    start: int
    end: int


@dataclass(frozen=True)
class _Pattern:
    """Words in base form that are an action (`meaning` is its family), a lookalike, a count, a limb with its side, a
    mark of order (`meaning` says which), or just a word."""

    kind: Kind
    meaning: str
    regex: re.Pattern[str]


_ANY_WORD = _Pattern("word", "", re.compile(r"\S+ "))


@dataclass(frozen=True)
class _Piece:
    kind: Kind
    meaning: str
    words: list[_Word]
    slots: dict[str, str | None]

    @property
    def number(self) -> int | None:
        if self.slots.get("times"):
            return _TIMES[self.slots["times"]]
        said = self.slots.get("n")
        return None if said is None else _NUMBERS.get(said) or int(said)

    @property
    def silent(self) -> bool:
        return self.kind == "word" and self.words[0].base in _SILENT

    @property
    def matters(self) -> bool:
        """Whether leaving it out has to be reported."""
        return not self.silent and not (self.kind == "word" and self.words[0].base in _PARTICLES)


@dataclass(frozen=True)
class _Told:
    event: Event
    gerund: bool  # said as "waving"


_SIDED = {action.family for action in ACTIONS.values() if action.side}


def _pieces(words: list[_Word]) -> Iterator[_Piece]:
    """Cuts the words from left to right, taking the longest pattern that starts at each."""
    line = "".join(f"{word.base} " for word in words)
    at = number = 0
    while number < len(words):
        matches = [(pattern, pattern.regex.match(line, at)) for pattern in _patterns(words[number].base)]
        pattern, match = max(((p, m) for p, m in matches if m), key=lambda found: found[1].end())
        size = match[0].count(" ")
        yield _Piece(pattern.kind, pattern.meaning, words[number : number + size], match.groupdict())
        at, number = match.end(), number + size


def _read_clause(clause: list[_Piece], text: str, unknown: list[str]) -> list[_Told]:
    """The events between two marks; what they leave out is appended to `unknown`."""
    clause, side_elsewhere = _take_limb(clause)
    told: list[_Told] = []
    rest: list[_Piece] = []  # not understood since the last event
    while clause:
        piece, *clause = clause
        if piece.kind != "action" or any(word.base in _NEGATIONS for other in rest for word in other.words):
            rest.append(piece)
            continue
        _report(rest, text, unknown)
        rest = []
        count, clause = _take_count(piece, clause)
        phrase = text[piece.words[0].start : (count or piece).words[-1].end]
        event, complaint = _event(piece, piece.slots.get("side") or side_elsewhere, (count or piece).number, phrase)
        if event:
            told.append(_Told(event, text[: piece.words[0].end].endswith("ing")))
        if complaint:
            unknown.append(f"{phrase} ({complaint})")
    _report(rest, text, unknown)
    return told


def _take_limb(clause: list[_Piece]) -> tuple[list[_Piece], str | None]:
    """The side of the clause's one limb ("with the left hand") where its one sided action names none itself."""
    limbs = [piece for piece in clause if piece.kind == "limb"]
    sideless = [p for p in clause if p.kind == "action" and p.meaning in _SIDED and not p.slots.get("side")]
    if len(limbs) != 1 or len(sideless) != 1:
        return clause, None
    return [piece for piece in clause if piece is not limbs[0]], limbs[0].slots["side"]


def _take_count(piece: _Piece, following: list[_Piece]) -> tuple[_Piece | None, list[_Piece]]:
    """The count that follows an action with nothing of weight in between, and what then still follows."""
    place = next((place for place, other in enumerate(following) if other.matters), None)
    if piece.number is not None or place is None or following[place].kind != "count":
        return None, following
    return following[place], following[place + 1 :]


def _event(piece: _Piece, side: str | None, number: int | None, phrase: str) -> tuple[Event | None, str]:
    """The event that an action stands for, and what is wrong with how it is said."""
    action = piece.meaning
    if action in _SIDED:
        if side is None:
            return None, "left or right?"
        action = f"{action}_{side}"
    if number is not None and number != 1 and not ACTIONS[action].countable:
        return Event(action, phrase=phrase), "can't be counted"
    if number is not None and not 1 <= number <= MAX_COUNT:
        return Event(action, phrase=phrase), f"only 1 to {MAX_COUNT} can be counted"
    return Event(action, number or 1, phrase), ""


def _report(rest: list[_Piece], text: str, unknown: list[str]) -> None:
    """Adds the words that no event accounts for, without the silent ones around them."""
    if not any(piece.matters for piece in rest):
        return
    weighty = [place for place, piece in enumerate(rest) if not piece.silent]
    first, last = rest[weighty[0]], rest[weighty[-1]]
    unknown.append(text[first.words[0].start : last.words[-1].end])


def _in_order_of_happening(told: Iterable[_Told | str]) -> list[Event]:
    """Events in the order they are told, but "B after A" is A, B and "before B, A" is A, B.

    An inverted "before" or "after" holds for the next event and for gerunds joined to it by "and" alone; what waits
    behind a leading "before" comes after the events up to the next "then" or full stop.
    """
    happened: list[Event] = []
    waiting: list[Event] = []
    marks: list[str] = ["stop"]
    place = -1  # where an inverted "after" inserts; -1 while none does
    fresh = False  # whether an event happened since `waiting` began
    for item in told:
        if isinstance(item, str):
            marks.append(item)
            if item in ("then", "stop") and fresh:
                happened, waiting = happened + waiting, []
            continue
        joined = marks == ["and"] and item.gerund
        opens = _opening(marks)
        if (waiting and not fresh and joined) or opens == "leading before":
            waiting.append(item.event)
            fresh = False
        elif (place >= 0 and joined) or opens == "trailing after":
            place = place + 1 if place >= 0 and joined else max(len(happened) - 1, 0)
            happened.insert(place, item.event)
        else:
            happened.append(item.event)
            place, fresh = -1, True
        marks = []
    return happened + waiting


def _opening(marks: list[str]) -> str:
    """How the marks in front of an event place it: told in order (empty), "leading before" or "trailing after"."""
    if marks[-1:] == ["earlier"] or marks == ["after"]:
        return "trailing after"
    if marks[-1:] == ["before"] and {"stop", "then", "and"} & set(marks):
        return "leading before"
    return ""


def _base_form(word: str) -> str:
    return _base_forms().get(word, word)


@cache
def _base_forms() -> dict[str, str]:
    patterns = [*LOOKALIKES, *_COUNTS, *(pattern for patterns in SYNONYMS.values() for pattern in patterns)]
    bases = {word for pattern in patterns for slot in pattern.split() for word in slot.rstrip("?").split("|")}
    forms = {form: base for base in sorted(bases) if base.isalpha() for form in _inflections(base)}
    return forms | _IRREGULAR | {base: base for base in bases}


def _inflections(base: str) -> list[str]:
    stem = base.removesuffix("e") if not base.endswith("ee") else base
    if base in _DOUBLING:
        stem += base[-1]
    consonant_y = base.endswith("y") and base[-2:-1] not in "aeiou"
    plural = base[:-1] + "ies" if consonant_y else base + ("es" if base.endswith(("s", "x", "z", "ch", "sh")) else "s")
    return [plural, stem + "ing", base[:-1] + "ied" if consonant_y else stem + "ed"]


@cache
def _patterns(first: str) -> list[_Pattern]:
    """The patterns that may begin with this word, the single word itself last."""
    return [*_index()["#" if first.isdigit() else first], _ANY_WORD]


@cache
def _index() -> defaultdict[str, list[_Pattern]]:
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


def _all_patterns() -> Iterator[tuple[Kind, str, str]]:
    for family, phrasings in PHRASINGS.items():
        for phrasing in phrasings:
            for sentence in (phrasing.once, phrasing.often.removesuffix(" {times}")):
                bases = (_base_form(word) for word in sentence.split())
                yield "action", family, " ".join(base for base in bases if base not in _DROPPED)
    for family, patterns in SYNONYMS.items():
        for pattern in patterns:
            yield "action", family, pattern
    for pattern in LOOKALIKES:
        yield "lookalike", "", pattern
    for pattern in _COUNTS:
        yield "count", "", pattern
    yield "limb", "", _LIMB
    for meaning, patterns in _MARKS.items():
        for pattern in patterns:
            yield "mark", meaning, pattern


def _slot_regex(slot: str) -> str:
    wanted = slot.removesuffix("?")
    regex = _SLOTS.get(wanted) or f"(?:{'|'.join(map(re.escape, wanted.split('|')))}) "
    return f"(?:{regex})?" if slot.endswith("?") else regex


def _first_words(slot: str) -> list[str]:
    wanted = slot.removesuffix("?")
    numbers = ["#", *(number.split()[0] for number in _NUMBERS)]
    return {"{side}": ["left", "right"], "{n}": numbers, "{times}": list(_TIMES)}.get(wanted) or wanted.split("|")
