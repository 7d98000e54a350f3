"""Which clauses are events: background postures, repeated mentions and empty verbs are none."""

from itertools import pairwise

from atom.captions import lexicon
from atom.captions.actions import base_verb
from atom.captions.clause import Clause
from atom.captions.lexicon import word_set

_STATIC = word_set("stay remain wait rest")
_NEVER = word_set("be have see seem know cause mean need include represent depict resemble")
# Participles that give a posture or manner, not an act.
_MANNER = word_set("face lead follow bend keep look_like hold_on dangle relax extend carry") - {
    "carry",
    "bend",
    "extend",
}


def is_posture(clause: Clause) -> bool:
    """Whether the clause describes a posture instead of a movement.

    Args:
        clause: any clause of a caption.

    Returns:
        True for standing, sitting, lying and waiting, False for getting there.
    """
    if clause.passive or clause.subject is not None:
        return False
    if any(d in ("up", "down") for d in clause.directions) and clause.lemma not in ("kneel", "stay"):
        return False
    if clause.lemma in _STATIC:
        return True
    if clause.lemma == "stand":
        active = clause.limb is not None or (clause.origin is not None and clause.form != "ing")
        return not active
    if clause.lemma in ("sit", "lie", "lay", "kneel", "crouch"):
        return clause.form == "ing" and "down" not in clause.directions
    return False


def select(clauses: list[Clause]) -> list[Clause]:
    """Keeps the clauses that are events and merges double mentions of the same locomotion.

    Args:
        clauses: all clauses, in order of the text.

    Returns:
        The clauses of events, in order of the text.
    """
    kept = [clause for clause in clauses if not _is_empty(clause)]
    if not kept:
        for clause in clauses:
            if clause.lemma == "have" and any(p.is_limb for p in clause.objects):
                clause.lemma = "hold"  # "has both arms raised": a limb state, and nothing else
        kept = [clause for clause in clauses if clause.lemma not in _NEVER]
    kept = _merge_locomotion(kept)
    _share_limbs(kept)
    _rise(kept)
    events = [c for place, c in enumerate(kept) if not _is_background(kept, place)]
    return events or kept[:1]


def _is_empty(clause: Clause) -> bool:
    if clause.lemma == "get":
        return not (clause.directions or clause.prepositions) or clause.passive
    if clause.lemma in ("use",):
        return not clause.objects
    if clause.lemma == "keep" and clause.finite and not clause.hung:
        return not any(phrase.is_limb for phrase in clause.objects)  # "keeps both arms raised"
    if clause.lemma in lexicon.LIGHT | {"receive", "start", "begin", "continue"} and not clause.from_noun:
        return not clause.objects if clause.lemma != "have" else True
    return clause.lemma in lexicon.EMPTY and not clause.from_noun


def _is_background(clauses: list[Clause], place: int) -> bool:
    clause = clauses[place]
    if len(clauses) == 1:
        return False
    if (clause.lemma in _MANNER and clause.hung) or (clause.lemma == "face" and clause.form == "ing"):
        return True
    if not is_posture(clause):
        return False
    if clause.links & {"while"} or clause.hung:
        return True
    if clause.duration or "again" in clause.adverbs:
        return False
    following = clauses[place + 1] if place + 1 < len(clauses) else None
    listed = following is not None and not following.links - {",", "and"} and following.form == clause.form
    if place and listed and clause.form == "s" and not clause.links - {",", "and"}:
        return False  # "kneels, waits and walks on"
    if following is not None and following.links & {"then", "before", "."} and "while" not in following.links:
        return False
    return not (
        place > 0
        and ("then" in clause.links or "before" in clause.links or following is None or "after" in clause.links)
    )


def _merge_locomotion(clauses: list[Clause]) -> list[Clause]:
    """Joins what tells the same stretch of locomotion twice: "goes to the right, taking four steps"."""
    kept: list[Clause] = []
    for clause in clauses:
        last = kept[-1] if kept else None
        if last is not None and _same_stretch(last, clause):
            last.counts += clause.counts
            last.has_steps = last.has_steps or clause.has_steps
            last.path = last.path or clause.path
            last.directions += [d for d in clause.directions if d not in last.directions]
            last.end = max(last.end, clause.end)
            continue
        if (
            "still" in clause.adverbs
            and clause.lemma in ("move", "walk", "go")
            and any(c.lemma in lexicon.LOCOMOTION for c in kept)
        ):
            continue
        kept.append(clause)
    return kept


def _same_stretch(last: Clause, clause: Clause) -> bool:
    if not (clause.hung or ("while" in clause.links and clause.form == "ing")):
        return False
    if last.lemma not in lexicon.LOCOMOTION | {"step"} or last.passive or clause.passive:
        return False
    steps = (
        clause.lemma in ("step", "walk in circle", "walk in curve", "walk in half circle", "move in circle")
        and clause.from_noun
    )
    walking = clause.lemma in ("walk", "go", "move", "step") and not clause.objects and clause.hung and not clause.path
    return steps or (walking and last.lemma in ("walk", "go", "move", "step"))


_LOW = word_set("kneel sit squat crouch lie lay duck stoop")


def _rise(clauses: list[Clause]) -> None:
    """Makes "kneels and then stands" end in standing up."""
    for earlier, clause in pairwise(clauses):
        bare = not (clause.limb or clause.directions or clause.prepositions or clause.objects or clause.adverbs)
        low = earlier.lemma in _LOW or base_verb(earlier) == "kneel down"
        in_turn = not clause.links & {"while", "after"}
        if clause.lemma == "stand" and clause.form in ("s", "base") and bare and low and in_turn:
            clause.directions.append("up")


# Acts that need a limb or thing: without one of their own they share that of the act they are joined to.
_NEEDS_OBJECT = word_set(
    """raise lower lift extend swing bend stretch shake move open close rub put push rotate straighten flex curl
    wave cross uncross drop pull kick retract circle"""
)


def _share_limbs(clauses: list[Clause]) -> None:
    """Gives "raises and lowers his left leg" the leg in both acts."""
    for first, second in pairwise(clauses):
        bare = not first.objects and first.limb is None and first.subject is None and not first.directions
        if bare and first.lemma in _NEEDS_OBJECT and second.links == frozenset({"and"}) and not first.passive:
            if first.end + 2 < second.head:
                continue
            first.objects = [p for p in second.objects if p.is_limb]
            if first.lemma in ("raise", "lift", "lower") and second.limb is not None:
                first.objects = [second.limb]
            else:
                first.limb = second.limb
