"""Reads the events of any English caption of human motion, without a language model."""

from collections.abc import Sequence

from atom.captions import lexicon, morphology
from atom.captions.actions import action_of
from atom.captions.caption import CaptionEvent, ReadCaption
from atom.captions.clause import Clause
from atom.captions.clauses import MAX_CLAUSES, ClauseReader
from atom.captions.events import select
from atom.captions.order import groups_of, order_clauses
from atom.captions.sides_and_counts import carry_limb, count_of, is_countable, share_count, side_of
from atom.captions.tokens import MAX_CHARACTERS, Token, tokenize
from atom.captions.word_classes import classify

_FUNCTION_CLASSES = frozenset("DSXIQZTCLOWBF")


def read_caption(text: str, tags: Sequence[tuple[str, str]] | None = None) -> ReadCaption:
    """Reads the events that a caption describes.

    Args:
        text: an English caption of human motion.
        tags: word classes as HumanML3D's files carry them, (word, universal part of speech) pairs; without them, word
            lists, endings and position decide alone.

    Returns:
        The events in order of happening. Text that can't be read gives no events and a reason in `remarks`.
    """
    if not isinstance(text, str) or not text.strip():
        return ReadCaption(text if isinstance(text, str) else "", remarks=["The caption is empty."])
    remarks = []
    read = text
    if len(text) > MAX_CHARACTERS:
        remarks.append(f"The caption has {len(text)} characters; only the first {MAX_CHARACTERS} are read.")
        read = text[:MAX_CHARACTERS]
    tokens = tokenize(read, list(tags) if tags else None)
    if not any(token.text[0].isalpha() for token in tokens if token.text != "_") and not any(
        t.text == "_" for t in tokens
    ):
        return ReadCaption(text, remarks=[*remarks, "The caption holds no words."])
    classify(tokens)
    reason = _why_not_english(tokens)
    if reason:
        return ReadCaption(text, remarks=[*remarks, reason])
    clauses = ClauseReader(tokens).read()
    if len(clauses) >= MAX_CLAUSES:
        remarks.append(f"Only the first {MAX_CLAUSES} acts are read.")
    chosen = select(clauses)
    if not chosen:
        return ReadCaption(text, remarks=[*remarks, "No verb or noun of a bodily act was found."])
    return _assemble(text, tokens, chosen, remarks)


def _assemble(text: str, tokens: list[Token], clauses: list[Clause], remarks: list[str]) -> ReadCaption:
    counts = [count_of(clause) for clause in clauses]
    share_count(clauses, counts)
    events = []
    earlier: Clause | None = None
    side: str | None = None
    for clause, count in zip(clauses, counts):
        side = None if clause.lemma in ("repeat", "repeat motion") else side_of(clause, earlier, side)
        carry_limb(clause, earlier, side)
        start, end = tokens[clause.start].start, tokens[clause.end].end
        events.append(
            CaptionEvent(text[start:end], start, end, action_of(clause), side, count, is_countable(clause, count))
        )
        earlier = clause
    order, pairs = order_clauses(clauses)
    return ReadCaption(text, tuple(events[place] for place in order), groups_of(order, pairs), remarks)


def _why_not_english(tokens: list[Token]) -> str:
    """Gives a reason where hardly any word is English, "" otherwise."""
    words = [token for token in tokens if token.word_class not in ".,"]
    if len(words) < 2:
        return ""
    other_script = sum(1 for t in words if any(ord(c) > 0x24F for c in t.text))
    # As typed: a foreign word may be one letter away from an English one.
    typed = [token.text.lower() for token in words]
    foreign = sum(1 for word in typed if word in lexicon.FOREIGN)
    english = sum(1 for t, word in zip(words, typed) if t.text == "_" or _is_english(word))
    if other_script * 2 > len(words) or (foreign and english <= foreign and english * 2 < len(words)):
        return "The caption isn't in English."
    known = sum(1 for t in words if t.word_class in _FUNCTION_CLASSES or t.word in lexicon.PERSONS or t.form)
    unknown = sum(1 for t in words if _is_unknown(t))
    if unknown * 2 > len(words) and known * 4 < len(words):
        return "The caption isn't in English, or none of its words are known."
    return ""


def _is_english(typed: str) -> bool:
    return typed not in lexicon.FOREIGN and morphology.is_known(typed)


def _is_unknown(token: Token) -> bool:
    return (
        token.text != "_"
        and token.word.isalpha()
        and not morphology.is_known(token.word)
        and not token.word.endswith("ly")
    )
