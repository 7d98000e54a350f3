"""The canonical wording of an act: "waves his right hand" and "waving with the right hand" are `wave right hand`."""

from atom.captions import lexicon, morphology
from atom.captions.clause import Clause, NounPhrase
from atom.captions.lexicon import word_map, word_set

_SAME_VERB = word_map(
    """go: walk, shove: push, trip: stumble, tumble: stumble, rise: stand up, golf: play golf, waltz: dance waltz,
    kickbox: do kickboxing, proceed: walk, search: look for, stabilise: stabilize, evade: dodge,
    counterbalance: recover balance, travel: move, lay: lie, sidekick: kick, stride: walk, toss: throw,
    place: put, position: put, halt: stop, rotate: turn, regain: recover, compensate: recover balance,
    salsa: dance salsa, tango: dance tango"""
)
# Acts of arm or hand, where captions say either: the limb is called hand.
HAND_ACTS = word_set(
    """wave throw punch pick put place catch grab point wipe stir strum knock hit strike slap stroke scratch rub
    touch hold reach push pull shake pat clap write draw drink eat pour play pass give take brush clean salute toss
    swipe tap drum type support dribble bounce serve beckon greet swing stretch move"""
)
ARM_ACTS = word_set("raise lower lift extend cross fold circle flap")
WHOLE_BODY = (
    lexicon.LOCOMOTION
    | lexicon.STOPS
    | word_set(
        """step jump turn hop lean dodge stumble sidestep lunge spin fall kneel squat rotate pivot leap duck recover
        evade avoid sit stand twist roll dive crouch bow balance swerve trip tumble rise cartwheel slip dance bend
        lurch sway whirl shift"""
    )
)
_NOTHING = word_set(
    """something it them him her anything object everything himself herself itself themselves themself oneself thing"""
)
_KEEP_OBJECT = word_set("pick put hold lift grab carry bring take drop place set move push pull drag catch")
_LIMB_OF_NOUN = {"kick": "leg", "lunge": "leg", "punch": "hand", "jab": "hand", "hook": "hand"}
_LIFTED = word_set("arm hand leg foot knee")
_SIDEWAYS = ("left", "right")
_BACKWARD = word_set("step lean jump hop stumble bend fall move")  # "back" is backward here, and a return elsewhere
_NO_DIRECTION = word_set("wave shake return clap")


def limb_word(clause: Clause, phrase: NounPhrase, verb: str) -> str:
    """Gives the name of a limb with its side, foot and leg or hand and arm unified where the act allows.

    Args:
        clause: the clause that names the limb.
        phrase: the noun phrase of the limb.
        verb: the base verb of the act.

    Returns:
        The name, such as `left leg` or `both hands`.
    """
    noun = phrase.lemma
    if noun in ("food", "feed", "feat"):
        noun = "foot"
    if verb in ("kick", "lunge") and noun in ("foot", "leg"):
        noun = "leg"
    elif verb in ("step", "walk", "hop", "stumble", "stomp", "jump") and noun in ("leg", "foot"):
        noun = "foot"
    elif (
        verb in HAND_ACTS
        and noun in ("arm", "hand")
        and not phrase.plural
        and (phrase is clause.limb or verb == "wave")
    ):
        noun = "hand"
    elif verb in ARM_ACTS and noun in ("hand", "arm"):
        noun = "arm"
    both = "both" in phrase.modifiers or phrase.number == 2
    if phrase.plural and noun not in ("all_fours",):
        plural = {"foot": "feet"}.get(noun, noun + "s")
        plural = "hands" if verb == "wave" and plural == "arms" else plural
        name = f"both {plural}" if both or verb == "wave" else plural
    else:
        name = f"{phrase.side} {noun}" if phrase.side else noun
    for modifier in phrase.modifiers:
        if modifier.startswith("&"):
            other = modifier[1:]
            name += " and " + (other + "s" if phrase.plural and not other.endswith("s") else other)
    return name.replace("_", " ")


def _directions(clause: Clause) -> list[str]:
    found = []
    for direction in clause.directions:
        if clause.origin in _SIDEWAYS and direction in _SIDEWAYS and not clause.passive:
            continue  # "from left to right" has no side
        if direction not in found and direction not in ("clockwise", "counterclockwise"):
            found.append(direction)
    return found


def _thing(phrase: NounPhrase) -> str:
    if phrase.lemma in lexicon.BODY_PARTS and phrase.side:
        return f"{phrase.side} {phrase.lemma}"
    return phrase.lemma.replace("_", " ")


def base_verb(clause: Clause) -> str:
    """Gives the canonical verb of a clause, without directions and limbs.

    Args:
        clause: the clause that describes an act.

    Returns:
        The verb in base form, with its particle where that changes the act (`stand up`).
    """
    verb = clause.lemma
    directions = clause.directions
    if verb == "gain" and any(p.lemma in ("balance", "posture", "footing", "stability") for p in clause.objects):
        return "recover"
    if verb == "rise" and any(p.is_limb for p in clause.objects):
        return "raise"
    if verb in ("go", "come", "move") and clause.subject is not None and clause.subject.lemma in _LIFTED:
        if "up" in directions:
            return "raise"  # "the left arm goes up"
        if "down" in directions:
            return "lower"
    if verb in ("get", "go", "fall", "drop", "come") and _on_knees(clause):
        return "kneel down"
    if verb in ("get", "come", "go", "rise", "stand", "push") and "up" in directions and not clause.passive:
        if verb == "push" and not clause.reflexive:
            return "push"
        if not any(
            p in ("stairs", "slope", "hill", "ramp", "ladder", "step")
            for _, n in clause.prepositions
            for p in [n.lemma]
        ):
            return "stand up"
    if verb == "get" and any(p in ("to", "on", "onto") and phrase.lemma == "foot" for p, phrase in clause.prepositions):
        return "stand up"
    if verb == "get" and "back" in directions:
        return "walk"
    if verb == "stand" and clause.form != "ing" and clause.origin:
        return "stand up"
    circle = clause.path is not None and clause.path[0] in lexicon.PATHS - {"line", "turn"}
    if verb == "balance" and ("out" in directions or clause.reflexive):
        return "recover balance"
    if clause.has_steps and not circle and verb in ("walk", "go", "take", "make", "do", "perform", "move", "come"):
        return "step"
    if verb in ("come", "get") and ("back" in directions):
        return "walk"
    return _SAME_VERB.get(verb, verb)


def _turn(clause: Clause, directions: list[str]) -> str:
    if (clause.degrees or 0) >= 180 or "around" in directions or "back" in directions:
        return "turn around"
    for side in _SIDEWAYS:
        if side in directions:
            return f"turn {side}"
    return "turn"


def _path(clause: Clause, verb: str) -> str:
    noun, modifiers = clause.path
    if noun in ("circle", "semicircle", "round", "loop", "lap"):
        part = ""
        for modifier in modifiers:
            if modifier in ("quarter", "half"):
                part = modifier + " "
        if "three" in modifiers or "3" in modifiers:
            part = "three-quarter "
        return f"{verb} in {part or ('half ' if noun == 'semicircle' else '')}circle"
    if noun in ("curve", "arc", "bend", "turn"):
        return f"{verb} in curve"
    if noun == "corner":
        return f"{verb} around corner"
    if noun in ("line", "straight_line"):
        return f"{verb} forward"
    return f"{verb} in {noun.replace('_', ' ')}"


_PARTICIPLES = {"push": "pushed", "hit": "hit", "throw": "thrown", "shake": "shaken", "strike": "struck"}


def _passive(clause: Clause) -> str:
    verb = {"shove": "push"}.get(clause.lemma, clause.lemma)
    participle = _PARTICIPLES.get(verb) or next(f for f, kind in morphology.inflect(verb) if kind == "ed")
    words = f"be {participle}"
    if clause.origin:
        origin = {"forward": "front", "backward": "behind", "back": "behind"}.get(clause.origin, clause.origin)
        return f"{words} from {origin}"
    for direction in clause.directions:
        if direction in ("left", "right"):
            return f"{words} to {direction}"
    for direction in clause.directions:
        if direction in ("forward", "backward", "back", "sideways", "down", "over"):
            return f"{words} {'backward' if direction == 'back' else direction}"
    return words


def action_of(clause: Clause) -> str:
    """Gives the canonical wording of an act.

    Args:
        clause: the clause that describes it.

    Returns:
        Base-form verb, then direction, object or limb.
    """
    if clause.passive:
        return _passive(clause)
    verb = base_verb(clause)
    directions = _directions(clause)
    if clause.named and clause.named != verb and verb == clause.lemma and " " in verb:
        bent = any(word in verb for word in ("in curve", "circle", "around"))
        return " ".join([verb, *[d for d in directions if d in _SIDEWAYS and not bent]])
    if verb == "repeat motion" or (verb == "repeat"):
        return "repeat motion"
    if verb in ("get", "go", "walk", "kneel", "drop", "fall") and _on_all_fours(clause):
        return "get on all fours"
    if verb in ("turn", "rotate", "face") and not any(p.lemma in lexicon.BODY_PARTS for p in clause.objects):
        return _turn(clause, directions)
    if verb == "dance":
        return _dance(clause)
    if verb == "play":
        return " ".join(["play", *[_thing(p) for p in clause.objects[:1]]])
    if clause.path is not None and (verb in lexicon.LOCOMOTION or verb == "step"):
        moved = clause.subject or next((p for p in clause.objects if p.is_limb), None)
        return _path(clause, f"{verb} {limb_word(clause, moved, verb)}" if moved is not None else verb)
    if clause.limb is not None and verb in ("walk in circle", "move in circle"):
        return f"move {limb_word(clause, clause.limb, 'move')} in circle"
    if verb == "kneel down":
        return verb
    if verb in ("walk in circle", "walk in curve", "stand up", "turn around", "move in circle"):
        return verb
    if clause.from_noun and verb in _LIMB_OF_NOUN and clause.limb is None and not clause.objects:
        side = clause.act_phrase.side if clause.act_phrase is not None else None
        if side:  # "does a left kick" is a kick with the left leg
            rest = [direction for direction in directions if direction not in _SIDEWAYS]
            return " ".join([verb, *_direction_words(clause, verb, rest), f"with {side} {_LIMB_OF_NOUN[verb]}"])
    words = [verb]
    words += _object_words(clause, verb)
    words += _direction_words(clause, verb, directions)
    if clause.limb is not None and verb != "wave":
        limb = limb_word(clause, clause.limb, verb.split()[0])
        if clause.limb_preposition == "on" or verb in ("hop", "stand", "balance", "kneel"):
            words.append(f"on {limb if clause.limb.side or clause.limb.plural else 'one ' + limb}")
        elif clause.limb.side or not clause.limb.plural or verb not in WHOLE_BODY:
            words.append(f"with {limb}")
    return " ".join(words)


def _on_knees(clause: Clause) -> bool:
    return any(p in ("on", "onto", "to", "in") and phrase.lemma == "knee" for p, phrase in clause.prepositions)


def _on_all_fours(clause: Clause) -> bool:
    if "on all fours" in clause.directions:
        return True
    for preposition, phrase in [
        *clause.prepositions,
        *([(clause.limb_preposition, clause.limb)] if clause.limb else []),
    ]:
        hands = phrase.lemma == "hand" and phrase.plural
        several = any(modifier.startswith("&") for modifier in phrase.modifiers)  # "hands and knees"
        if preposition in ("on", "onto", "to") and (phrase.lemma == "all_fours" or several or hands):
            return True
    return False


def _dance(clause: Clause) -> str:
    phrases = [*clause.objects, *([clause.act_phrase, clause.act_phrase.of] if clause.act_phrase is not None else [])]
    for phrase in phrases:
        if phrase is None:
            continue
        for word in (*phrase.modifiers, phrase.lemma):
            if word in lexicon.DANCES:
                return "dance " + word.replace("_", "-" if word == "cha_cha" else " ")
        if phrase.lemma == "dance" and phrase.modifiers:
            return "dance " + phrase.modifiers[-1] + " dance"
    return "dance"


def _object_words(clause: Clause, verb: str) -> list[str]:
    words = []
    particle = [d for d in clause.directions if d in ("up", "down", "out", "off")][:1]
    if verb in ("pick", "put", "take", "set", "lay") and clause.objects:
        words += particle if not clause.objects[0].is_limb else []
        if verb == "pick" and not particle:
            words.append("up")
    if verb == "wave":
        limb = clause.limb if clause.limb is not None else next((p for p in clause.objects if p.is_limb), None)
        return [limb_word(clause, limb, "wave")] if limb is not None else []
    for phrase in clause.objects[:1]:
        if phrase.is_limb:
            words.append(limb_word(clause, phrase, verb))
        elif phrase.lemma in _NOTHING:
            if verb in _KEEP_OBJECT:
                words.append("object")
        elif phrase.head >= 0:
            words.append(_thing(phrase))
    if clause.subject is not None and not words:
        words.append(limb_word(clause, clause.subject, verb))
    elif clause.subject is not None and verb == "cross":
        words = [limb_word(clause, clause.subject, verb), "over", *words]
    return words


def _direction_words(clause: Clause, verb: str, directions: list[str]) -> list[str]:
    words = []
    takes_particle = (
        bool(clause.objects) and not clause.objects[0].is_limb and verb in ("pick", "put", "take", "set", "lay")
    )
    for direction in sorted(directions, key=lambda d: d != "diagonally"):
        if takes_particle and direction in ("up", "down", "out", "off"):
            continue
        if verb != clause.lemma and (verb, direction) in (("raise", "up"), ("lower", "down")):
            continue
        if verb in _NO_DIRECTION or (verb in lexicon.POSTURES and direction not in ("up", "down")):
            continue
        if direction == "back":
            direction = "" if verb == "put" else "backward" if verb in _BACKWARD else "back"
        words.append(direction)
    words += _places(clause, verb)
    return [word for word in dict.fromkeys(words) if word]


def _places(clause: Clause, verb: str) -> list[str]:
    """Gives the place where it is part of the act: "step over obstacles", "put hand on floor"."""
    words = []
    for preposition, phrase in clause.prepositions:
        thing = "floor" if phrase.lemma == "ground" else _thing(phrase)
        if verb in lexicon.LOCOMOTION | {"step", "jump", "climb"}:
            if phrase.lemma in ("stairs", "stair", "step") and preposition in ("up", "down"):
                words.append(f"{preposition} stairs")
            elif preposition in ("over", "around", "onto", "across", "through", "under") and not phrase.is_limb:
                words.append(f"{preposition} {thing}{'s' if phrase.plural and not thing.endswith('s') else ''}")
        elif verb in ("put", "lean", "balance") and phrase.head >= 0 and not words:
            if preposition in ("on", "onto", "to", "in", "against", "behind", "over"):
                words.append(f"{preposition} {thing}")
        elif verb == "look" and thing in ("floor", "down") and preposition in ("to", "at", "on"):
            words.append("down")
    return words
