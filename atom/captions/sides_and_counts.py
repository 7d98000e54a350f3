"""Left or right, how often, and whether an act can be counted at all."""

from atom.captions import lexicon
from atom.captions.actions import ARM_ACTS, HAND_ACTS, WHOLE_BODY, base_verb
from atom.captions.clause import Clause, NounPhrase
from atom.captions.lexicon import word_set

_SIDES = ("left", "right")
# Acts of a limb that go on with the limb of the act before: "raises his left hand and waves".
_CARRIED = word_set(
    """wave lower drop put place throw shake swing move hold bring release catch drink pour wipe retract kick
    punch raise slap hit strike touch grab"""
)
_HAND_PARTS = word_set("hand arm fist elbow finger palm")
_UNCOUNTABLE = (
    lexicon.LOCOMOTION
    | lexicon.STOPS
    | lexicon.DIFFUSE
    | word_set("hold keep stay stand lie remain rest wait balance pose hang dance play return")
) - word_set("""drink gesture pace clean wash eat head interact inspect""")
_DIFFUSE_NOUNS = word_set("karate yoga gymnastics boxing ballet golf tennis kickboxing")


def side_of(clause: Clause, earlier: Clause | None, earlier_side: str | None) -> str | None:
    """Finds the side of an act.

    Args:
        clause: the clause of the act.
        earlier: the clause before it, from which a plain limb carries its side over.
        earlier_side: the side found for that one.

    Returns:
        "left", "right" or None.
    """
    by_limb = _limb_side(clause)
    by_direction = _direction_side(clause)
    if clause.passive or clause.lemma in ("receive",):
        return (clause.origin if clause.origin in _SIDES else None) or by_direction or _first_side(clause)
    verb = clause.lemma.split()[0]
    if verb in WHOLE_BODY or base_verb(clause) == "step" or (clause.from_noun and verb in ("turn", "walk", "jump")):
        moves_limb = (
            verb == "lunge"
            or any(p.is_limb and p.lemma in lexicon.LIMBS for p in clause.objects)
            or clause.subject is not None
        )
        found = (by_limb or by_direction) if moves_limb else (by_direction or by_limb)
    else:
        found = by_limb or by_direction
    if found is None and earlier is not None and earlier_side and _carries(clause, earlier):
        return earlier_side
    return found


def _first_side(clause: Clause) -> str | None:
    for _, phrase in clause.prepositions:
        if phrase.side:
            return phrase.side
    return None


def _direction_side(clause: Clause) -> str | None:
    sides = {d for d in clause.directions if d in _SIDES}
    if clause.origin in _SIDES and not clause.passive:
        if sides:
            return None  # "from left to right"
        if clause.lemma in ("push", "pull"):
            return clause.origin
    return sides.pop() if len(sides) == 1 else None


def _limb_side(clause: Clause) -> str | None:
    limbs: list[NounPhrase] = []
    if clause.subject is not None:
        limbs.append(clause.subject)
    if clause.limb is not None:
        limbs.append(clause.limb)
    limbs += [p for p in clause.objects if p.is_limb]
    for phrase in limbs:
        if phrase.side:
            return phrase.side
    for phrase in clause.objects:
        if phrase.side and phrase.head >= 0:
            return phrase.side
    if limbs:
        return None
    for preposition, phrase in clause.prepositions:
        if (
            phrase.is_limb
            and phrase.side
            and preposition in ("with", "using", "by", "on", "in", "over", "of", "from", "to")
        ):
            return phrase.side
    return None


def _carries(clause: Clause, earlier: Clause) -> bool:
    """Whether the limb of the act before goes on in this one: "raises his left hand and waves"."""
    if earlier.passive or clause.passive or _limb_side(earlier) is None:
        return False
    limbs = [p for p in clause.objects if p.is_limb]
    used = {p.lemma for p in (earlier.limb, earlier.subject, *earlier.objects) if p is not None and p.is_limb}
    if limbs:
        # "their hand" after "their left hand", but not "both hands" or "the other hand"
        return limbs[0].lemma in used and not limbs[0].plural and "other" not in limbs[0].modifiers
    if any("other" in p.modifiers for p in clause.objects):
        return False
    pronoun = bool(clause.objects) and clause.objects[0].lemma == "it"
    if clause.lemma in HAND_ACTS | ARM_ACTS and not pronoun and not used & _HAND_PARTS:
        return False
    if clause.lemma == "kick" and not used & lexicon.LEGS:
        return False
    bare = clause.limb is None and (not clause.objects or clause.objects[0].lemma in ("something", "object"))
    return (clause.lemma in _CARRIED and (bare or pronoun)) or (pronoun and clause.lemma not in WHOLE_BODY)


def carry_limb(clause: Clause, earlier: Clause | None, side: str | None) -> None:
    """Writes a limb carried over into the clause, so that its action names it.

    Args:
        clause: the clause of the act, changed in place.
        earlier: the clause before it.
        side: the side found for the act.
    """
    if earlier is None or side is None or clause.passive or _limb_side(clause) is not None:
        return
    limbs = [p for p in clause.objects if p.is_limb and not p.plural]
    moved = next((p for p in (earlier.subject, *earlier.objects) if p is not None), None)
    if limbs:
        limbs[0].side = side
    elif clause.objects and clause.objects[0].lemma == "it" and moved is not None and moved.is_limb:
        clause.objects[0] = moved  # "raises his left hand and shakes it"
    elif clause.lemma in HAND_ACTS and _carries(clause, earlier) and clause.limb is None:
        clause.limb = earlier.limb or next(
            (p for p in (earlier.subject, *earlier.objects) if p is not None and p.is_limb), None
        )
        clause.limb_preposition = "with"


def count_of(clause: Clause) -> int | None:
    """Gives the number that the clause tells, steps before laps.

    Args:
        clause: the clause of an act.

    Returns:
        The number of steps, else of times, else of laps; None where there is none.
    """
    for unit in ("step", "act", "lap"):
        for number, its_unit in clause.counts:
            if its_unit == unit:
                return number
    if clause.lemma in ("do", "make", "perform", "execute", "complete") and not clause.from_noun and clause.objects:
        number, modifiers = clause.objects[0].number, clause.objects[0].modifiers
        return (
            None if number is None or number >= 45 or lexicon.UNITS & set(modifiers) else number
        )  # "does three zorps"
    for phrase in [*clause.objects, *[p for _, p in clause.prepositions]]:
        if phrase.number is not None and phrase.lemma and phrase.lemma == clause.lemma:
            return phrase.number
    return None


def is_countable(clause: Clause, count: int | None) -> bool:
    """Whether the act has a natural unit, so that one could count it.

    Args:
        clause: the clause of an act.
        count: the number found for it.

    Returns:
        True for bounded and cyclic acts, and wherever there is a number.
    """
    if count is not None or clause.has_steps or clause.passive:
        return True
    verb = clause.lemma
    if verb in ("stand", "sit", "lie", "kneel", "get", "come", "go") and any(
        d in ("up", "down") for d in clause.directions
    ):
        return True
    if base_verb(clause) in ("stand up", "recover balance"):
        return True
    if verb in ("lie", "sit", "kneel") and clause.form != "ing":
        return True
    if verb == "look":
        return all(preposition != "for" for preposition, _ in clause.prepositions) and "around" not in clause.directions
    if verb == "move":
        return bool(clause.objects) or clause.subject is not None
    if clause.limb is not None and verb in ("walk in circle", "move in circle"):
        return True
    if verb in ("walk in circle", "walk in curve", "walk in half circle", "run lap", "move in circle"):
        return False
    if verb.startswith("do ") and verb[3:] in _DIFFUSE_NOUNS:
        return False
    if verb in ("sit", "kneel"):
        return False
    return verb.split()[0] not in _UNCOUNTABLE


_OPPOSITES = [
    word_set(pair)
    for pair in (
        "raise lower",
        "lift lower",
        "bend straighten",
        "open close",
        "lift drop",
        "raise drop",
        "stand sit",
        "squat stand",
        "extend retract",
        "bend stand",
        "kneel stand",
        "push pull",
        "cross uncross",
        "crouch stand",
        "lie stand",
    )
]


def share_count(clauses: list[Clause], counts: list[int | None]) -> None:
    """Gives the number of a cycle to each part of it: "raises and lowers his arms three times".

    Args:
        clauses: the clauses of the events, in order of the text.
        counts: their numbers, changed in place.
    """
    for place in range(1, len(clauses)):
        first, second = clauses[place - 1], clauses[place]
        if (
            counts[place] is None
            or counts[place - 1] is not None
            or "and" not in second.links
            or "then" in second.links
            or second.from_noun
        ):
            continue
        verbs = {first.lemma, base_verb(second).removesuffix(" up")}
        if verbs in _OPPOSITES:
            counts[place - 1] = counts[place]
