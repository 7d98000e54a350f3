"""Word classes of a caption's words, by word lists, form and position.

The classes, one letter each: V verb, N noun, A adjective, R adverb or direction, D determiner, S possessive, X subject
pronoun, M number, I preposition, T "to" before a verb, Q auxiliary, Z modal, L negation, C coordinator, O word of
order, W while, B before, F after, Y start of a comparison or reason, "," and "." punctuation.
"""

from atom.captions import lexicon, morphology
from atom.captions.lexicon import word_set
from atom.captions.tokens import Token, is_punctuation


def _closed_classes() -> dict[str, str]:
    classes: dict[str, str] = {}
    for letter, words in (
        ("R", lexicon.ADVERBS),
        ("A", lexicon.ADJECTIVES),
        ("R", frozenset(lexicon.DIRECTIONS)),
        ("I", lexicon.PREPOSITIONS),
        ("D", lexicon.DETERMINERS),
        ("S", lexicon.POSSESSIVES),
        ("X", lexicon.PRONOUNS),
        ("Q", lexicon.AUXILIARIES),
        ("Z", lexicon.MODALS),
        ("C", lexicon.COORDINATORS),
        ("O", lexicon.ORDER_WORDS),
        ("W", lexicon.WHILE_WORDS),
        ("B", lexicon.BEFORE_WORDS),
        ("F", lexicon.AFTER_WORDS),
        ("Y", lexicon.STYLE_WORDS),
        ("L", lexicon.NEGATIONS),
        ("M", frozenset(lexicon.NUMBERS)),
    ):
        for word in words:
            classes[word] = letter
    for word in lexicon.VAGUE_NUMBERS:
        classes[word] = "D"
    return classes


_CLOSED = _closed_classes()
# Closed words that are verbs, nouns or other things as well, so their neighbours decide.
_BY_CONTEXT = word_set(
    """to left right back her one once as like first second third next last than up down over off around round about
    in that once following get gets getting got being have has had having so do open close clean still light halfway
    forward backward front straight until before after half quarter which either both all first second slow dry warm
    empty lower free steady smooth upper last own double single high_knees sideways other another some this these
    those does did so_that bent set side point lead cross square flat using clockwise counterclockwise maybe perhaps
    probably possibly since because"""
)
# Verbs that take up, down or off as a particle before their object: "picks up a cup".
_PARTICLE_VERBS = lexicon.word_set(
    "pick put lift set take hold bring lay throw push pull raise lower clean wipe get sweep turn tear draw hang"
)
_PRE_NOUN = "DSAM"


class _State:
    """What has been read of the current clause."""

    __slots__ = ("auxiliary", "last_form", "light", "numbered", "subject", "verb", "with_phrase")

    def __init__(self):
        self.last_form = ""  # form of the last verb of the caption
        self.reset()

    def reset(self):
        """Forgets the clause; the form of its verb stays."""
        self.subject = ""  # "person" or "thing" once a possible subject stands
        self.verb = False
        self.light = False  # the last verb is a light one
        self.numbered = False  # a number stands before what it takes: "does two squats"
        self.auxiliary = ""
        self.with_phrase = False


def classify(tokens: list[Token]) -> None:
    """Writes word class, lemma and verb form into the tokens.

    Args:
        tokens: the words of one caption, changed in place.
    """
    state = _State()
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else None
        after = tokens[place + 1] if place + 1 < len(tokens) else None
        token.word_class = _classify_one(tokens, place, token, before, after, state)
        _follow(token, before, state)


def _follow(token: Token, before: Token | None, state: _State) -> None:
    letter = token.word_class
    if letter == "V":
        # "a person standing on one leg swings ...": after a bare participle the finite verb is still to come.
        finite = token.form != "ing" or bool(state.auxiliary)
        state.verb = (finite and state.auxiliary != "participle") or not state.subject
        state.last_form = token.form
        state.light = token.lemma in lexicon.LIGHT or token.lemma in ("start", "continue")
        state.numbered = False
        state.auxiliary = ""
    elif letter in "NX":
        if state.with_phrase and (letter == "X" or token.word in lexicon.PERSONS):
            state.with_phrase = False  # "with arms raised the person balances"
        if not state.verb and not state.with_phrase:
            person = letter == "X" or token.lemma in lexicon.PERSONS
            state.subject = "person" if person else (state.subject or "thing")
    elif letter in "COWBFY" or letter in ".,":
        light_list = letter == "C" and state.light and _is_plural_act(before)
        numbered = state.numbered
        state.reset()
        state.light, state.numbered = light_list, light_list and numbered
    elif letter == "Q":
        state.with_phrase = False
        bare = token.word in ("being", "getting") and not state.auxiliary
        state.auxiliary = (
            "participle"
            if bare
            else "get"
            if token.lemma == "get"
            else "have"
            if token.word in ("has", "have", "had")
            else "be"
        )
    elif letter in "DS":
        state.auxiliary = ""
    elif letter == "M":
        state.numbered = True
    elif letter == "I":
        state.auxiliary = ""
        state.with_phrase = token.word in ("with", "using", "without")


def _is_plural_act(token: Token | None) -> bool:
    return token is not None and token.word in morphology.PLURALS and token.lemma in lexicon.ACT_NOUNS


def _noun(token: Token) -> str:
    token.lemma = morphology.noun_lemma(token.word)
    return "N"


def _verb(token: Token, lemma: str, form: str) -> str:
    token.lemma, token.form = lemma, form
    return "V"


def _can_be_noun(token: Token | None) -> bool:
    return token is not None and token.word in morphology.NOUN_FORMS and token.word not in lexicon.PRONOUNS


def _classify_one(tokens, place, token, before, after, state) -> str:
    mark = is_punctuation(token) if token.text != "_" else ""
    if mark:
        return _noun(token) if mark == "N" else mark
    word = token.word
    given_lemma = token.lemma if token.tag else ""
    token.lemma = word
    previous = before.word_class if before else ""
    if word[0].isdigit():
        return "M"
    closed = _CLOSED.get(word)
    if closed and word not in _BY_CONTEXT and (closed == "Q" or word not in morphology.VERB_FORMS):
        if closed == "Q":
            token.lemma = "be"
        return closed
    if word in _BY_CONTEXT:
        letter = _by_context(tokens, place, token, previous, before, after, state)
        if letter:
            return letter
    found = morphology.verb_form(word)
    if token.tag in ("VERB", "NOUN", "ADJ", "ADV") and not morphology.is_known(word):
        letter = _by_given_tag(token, given_lemma, found, previous, state)
        if letter:
            return letter
    if found and (word in morphology.VERB_FORMS or previous not in ("I",)):
        letter = _verb_or_not(tokens, place, token, found, previous, before, after, state)
        if letter:
            return letter
    if word in morphology.NOUN_FORMS:
        return _noun(token)
    if closed:
        return closed
    if word.endswith("ly") and len(word) > 4:
        return "R"
    if word.endswith(("ful", "less", "ish", "able", "ous", "ical")):
        return "A"
    return _noun(token)


def _by_given_tag(token, lemma, found, previous, state) -> str:
    if token.tag == "VERB" and previous not in ("D", "S"):
        form = found[1] if found else "base"
        if form == "ed" and state.auxiliary == "" and state.subject != "person":
            return ""
        if form == "ing" and previous in ("A", "M"):
            return ""
        return _verb(token, lemma or (found[0] if found else token.word), form)
    if token.tag == "ADV":
        return "R"
    if token.tag == "ADJ":
        return "A"
    if token.tag == "NOUN" and not found:
        return _noun(token)
    return ""


def _by_context(tokens, place, token, previous, before, after, state) -> str:
    """Classes of closed words with several uses; "" leaves the word to the rules of verbs and nouns."""
    word = token.word
    next_word = after.word if after else ""
    if word == "to":
        form = morphology.verb_form(next_word) if next_word else None
        if form and form[1] == "base" and next_word not in ("left", "right", "front", "back", "side", "rear"):
            return "T"
        if next_word.endswith("ly") and place + 2 < len(tokens):
            form = morphology.verb_form(tokens[place + 2].word)
            if form and form[1] == "base":
                return "T"
        return "I"
    if word in ("left", "right"):
        if word == "left" and previous in ("X",) and next_word in ("the", "a", "his", "their"):
            return _verb(token, "leave", "ed")
        if next_word in ("handed", "sided", "footed", "legged", "handedly"):
            return "A"
        if (
            before is not None
            and before.word in ("top", "bottom", "upper", "lower", "far", "front", "rear")
            and previous == "A"
        ):
            return "A" if _can_be_noun(after) else _noun(token)
        if next_word == "one":
            two_on = tokens[place + 2] if place + 2 < len(tokens) else None
            ends = two_on is None or is_punctuation(two_on) or two_on.word in lexicon.COORDINATORS
            return "A" if ends else (_noun(token) if previous in ("D", "S", "I") else "R")
        if previous in ("D", "S") and next_word in lexicon.DIRECTION_ADJECTIVES and _noun_at(tokens, place + 2):
            return "A"
        if previous in ("D", "S", "I") and not (_can_be_noun(after) and not _looks_finite(tokens, place + 1)):
            return _noun(token)
        return "A" if _can_be_noun(after) and not _looks_finite(tokens, place + 1) else "R"
    if word in ("back", "front", "side", "forward", "backward", "sideways", "straight"):
        if previous == "A" and before.word in ("left", "right"):
            return "A" if word not in ("side", "back") and _can_be_noun(after) else _noun(token)
        if previous in ("D", "S"):
            return "A" if _can_be_noun(after) and not _looks_finite(tokens, place + 1) else _noun(token)
        return _noun(token) if word in ("front", "side") else "R"
    if word in ("up", "down", "over", "off", "around", "round", "about", "in"):
        if word == "round" and (previous in _PRE_NOUN or (before is not None and before.word == "half")):
            return _noun(token)
        if after is None or next_word in lexicon.STYLE_WORDS or _is_number_of_times(tokens, place + 1):
            return "R"
        if previous == "V" and word in ("up", "down", "off", "over") and before.lemma in _PARTICLE_VERBS:
            return "R"
        if word == "about":
            return "R"
        following = _CLOSED.get(next_word, "")
        starts_noun_phrase = following in ("D", "S", "M", "A") or (not following) or next_word in ("it", "her")
        if next_word in ("left", "right", "back") and word != "in":
            starts_noun_phrase = False
        form = morphology.VERB_FORMS.get(next_word)
        if (
            word != "in"
            and form
            and form[1] == "s"
            and form[0] in lexicon.ACT_NOUNS
            and form[0] not in ("step", "circle")
        ):
            return "R"  # "turns around hops back"
        if starts_noun_phrase and next_word in morphology.VERB_FORMS and not _can_be_noun(after):
            starts_noun_phrase = word == "in"
        if is_punctuation(after):
            starts_noun_phrase = False
        return "I" if starts_noun_phrase else "R"
    if word == "using":
        return "I"
    if word in ("clockwise", "counterclockwise"):
        return "A" if _can_be_noun(after) and not _looks_finite(tokens, place + 1) else "R"
    if word in ("maybe", "perhaps", "probably", "possibly"):
        # A hedge before the verb is nothing; after the act it begins a guess at its meaning.
        return "R" if not state.verb and previous not in (",", ".") else "Y"
    if word in ("since", "because"):
        return "F" if _passive_follows(tokens, place + 1) else "Y"
    if word == "her":
        return (
            "S"
            if after
            and not is_punctuation(after)
            and (_CLOSED.get(next_word, "A") == "A" or next_word in ("left", "right"))
            else "X"
        )
    if word == "one":
        if after and (_can_be_noun(after) or _CLOSED.get(next_word) in ("A",) or next_word in ("more", "single")):
            return "M"
        return _noun(token)
    if word == "once":
        return "F" if next_word in lexicon.PRONOUNS or next_word in ("the", "a") else "R"
    if word == "as":
        return _class_of_as(tokens, place)
    if word == "like":
        return "Y"
    if word == "than":
        comparison = before is not None and (
            before.word in ("more", "less", "other", "rather") or before.word.endswith("er")
        )
        return "Y" if comparison else "O"
    if word in ("first", "next", "second", "third", "last"):
        if previous in ("D", "S", "I", "M"):
            return "A"
        return "O" if word in ("first", "next", "second", "third") else "A"
    if word == "that":
        return "D" if _can_be_noun(after) and previous in ("I", "V", "") else "Y"
    if word == "which":
        return "Y"
    if word in ("so", "so_that"):
        if next_word.endswith("ly"):
            return "R"
        # "so he stumbles" tells what comes next; "so that he can see" and "so as to" a reason
        subject = next_word in lexicon.PRONOUNS or next_word in lexicon.DETERMINERS
        wished = any(t.word in lexicon.MODALS - {"do"} or t.word == "as" for t in tokens[place + 1 : place + 5])
        return "O" if subject and not wished else "Y"
    if word == "following":
        return "" if previous in ("V", "N", "R", ",") else "A"
    if word in ("get", "gets", "getting", "got"):
        # Before a past participle it makes a passive, else it is a verb ("gets up").
        if _participle_follows(tokens, place + 1):
            token.lemma = "get"
            return "Q"
        return _verb(token, "get", morphology.VERB_FORMS[word][1])
    if word == "being":
        if before is not None and before.word == "human":
            return _noun(token)
        token.lemma = "be"
        return "Q"
    if word in ("have", "has", "had"):
        if _participle_follows(tokens, place + 1) or next_word in ("been", "just", "not", "to"):
            return "Q"
        return _verb(token, "have", "s")
    if word == "having" and _participle_follows(tokens, place + 1):
        return "Q" if previous in ("F", "B") else "F"  # "after having turned", "having turned, she runs"
    if word in ("do", "does", "did"):
        if next_word == "not":
            return "Z"
        if word != "do":
            return ""
        return _verb(token, "do", "base")
    if word in ("before", "after", "until"):
        if word == "before" and (after is None or is_punctuation(after)):
            return "R"
        if (
            word == "after"
            and previous == "V"
            and next_word in lexicon.OBJECT_PRONOUNS
            and not next_word.endswith("thing")
        ):
            two_on = tokens[place + 2] if place + 2 < len(tokens) else None
            if two_on is None or is_punctuation(two_on) or two_on.word in lexicon.COORDINATORS:
                return "I"
        return _CLOSED[word]
    if word == "still":
        return "A" if _can_be_noun(after) and previous in ("D", "S") else "R"
    if word in ("half", "quarter"):
        if next_word == "of" or (
            previous in ("D", "M", "A") and not _can_be_noun(after) and _CLOSED.get(next_word) not in ("A", "R")
        ):
            return _noun(token)
        return "A"
    if word in ("double", "single"):
        return "A"
    if word == "bent":
        if previous in ("N", "R") and state.subject == "person" and not state.verb and state.auxiliary == "":
            return _verb(token, "bend", "ed")
        return "A" if state.last_form != "ed" or previous not in ("C", "O", ",") else _verb(token, "bend", "ed")
    return ""


def _noun_at(tokens: list[Token], place: int) -> bool:
    return place < len(tokens) and _can_be_noun(tokens[place])


def _is_number_of_times(tokens: list[Token], place: int) -> bool:
    """Whether "five times" or "another two times" begins here: what stands before it is complete."""
    end = min(place + 4, len(tokens))
    while place < end and (tokens[place].word[0].isdigit() or _CLOSED.get(tokens[place].word) in ("M", "D")):
        place += 1
        if place < len(tokens) and tokens[place].word in ("time", "times", "reps", "repetitions"):
            return True
    return False


def _looks_finite(tokens: list[Token], place: int) -> bool:
    """Whether a word that may be noun or verb is the verb: "to the right turns", but "the right turn"."""
    word = tokens[place].word
    form = morphology.VERB_FORMS.get(word)
    if not form or form[1] != "s":
        return False
    two_back = tokens[place - 2].word if place >= 2 else ""
    three_back = tokens[place - 3].word if place >= 3 else ""
    return two_back in ("the", "his", "their", "its", "her") and three_back in ("to", "on", "from", "by", "with")


def _participle_follows(tokens: list[Token], place: int) -> bool:
    for token in tokens[place : place + 3]:
        form = morphology.verb_form(token.word)
        if form and (form[1] == "ed" or form[0] in lexicon.SAME_PAST) and token.word not in ("left", "lay"):
            return True
        if token.word in ("pull", "push", "shove"):  # "gets push": a participle that lost its ending
            return True
        if not (token.word.endswith("ly") or token.word in ("been", "being", "just", "almost", "then", "again")):
            return False
    return False


def _passive_follows(tokens: list[Token], place: int) -> bool:
    """Whether a cause is an event of its own: "because he is pushed"."""
    words = [token.word for token in tokens[place : place + 5]]
    return any(word in ("pushed", "shoved", "hit", "pulled", "kicked", "knocked") for word in words)


def _class_of_as(tokens: list[Token], place: int) -> str:
    """`as he turns` is while, `as a boxer` and `as high as he can` are comparisons."""
    if any(token.word == "as" for token in tokens[max(place - 3, 0) : place]):
        return "Y"
    for ahead, token in enumerate(tokens[place + 1 : place + 6]):
        if token.word in ("he", "she", "they", "it", "well"):
            return "W"
        form = morphology.verb_form(token.word)
        if form and form[1] == "ing":
            return "W" if ahead == 0 else "Y"
        known_person = ahead == 2 and tokens[place + 1].word == "the" and tokens[place + 2].word in lexicon.PERSONS
        if form and form[1] == "s" and ahead and (known_person or token.word not in morphology.PLURALS):
            return "W"  # "as the man walks"
        if is_punctuation(token) or token.word in lexicon.COORDINATORS:
            break
    return "Y"


def _verb_or_not(tokens, place, token, found, previous, before, after, state) -> str:
    lemma, form = found
    known = token.word in morphology.VERB_FORMS
    noun = token.word in morphology.NOUN_FORMS
    adjective = token.word in lexicon.ADJECTIVES
    if form == "ing":
        return _classify_ing(tokens, place, token, lemma, previous, before, after, state)
    if form == "ed":
        return _classify_ed(token, lemma, previous, before, after, state)
    if previous in ("T", "Z") or (previous == "R" and place > 1 and tokens[place - 2].word_class in "TZ"):
        return _verb(token, lemma, "base") if form == "base" else (_noun(token) if noun else _verb(token, lemma, form))
    if form == "base" and lemma in ("pull", "push", "shove", "hit", "put", "cut") and previous in ("Q",):
        return _verb(token, lemma, "ed")
    if previous == "I" and form == "s" and before.word in ("behind", "inside", "outside", "above", "below"):
        return _verb(token, lemma, form)
    if previous in ("D", "S", "M", "I"):
        if adjective:
            return "A"
        if noun or not known:
            return _noun(token)
        return _noun(token) if previous in ("D", "S", "M") or form == "base" else _verb(token, lemma, form)
    if previous == "A":
        if before.word in ("left", "right") and not noun:
            return _verb(token, lemma, form)
        if noun or not known or form == "base":
            return "A" if adjective and _can_be_noun(after) else _noun(token)
        return _verb(token, lemma, form)
    if previous == "L":
        return _verb(token, lemma, form)
    if previous == "V":
        if before.lemma in lexicon.LIGHT and (noun or form == "base"):
            return _noun(token)
        if noun or not known:
            return _noun(token)
        return "A" if adjective else _verb(token, lemma, form)
    if previous == "Q":
        return "A" if adjective else (_noun(token) if noun and form == "s" else _verb(token, lemma, form))
    if form == "s":
        return _classify_s(tokens, token, lemma, known, noun, previous, place, after, state)
    return _classify_base(tokens, token, lemma, known, noun, adjective, previous, before, place, after, state)


def _classify_ing(tokens, place, token, lemma, previous, before, after, state) -> str:
    next_word = after.word if after else ""
    before_motion = next_word in lexicon.MOTION_NOUNS or morphology.noun_lemma(next_word) in lexicon.MOTION_NOUNS
    if before_motion or next_word in ("position", "pose", "posture", "stance", "exercises"):
        return "A" if next_word != "move" or previous != "X" else _verb(token, lemma, "ing")
    if previous == "A" and state.auxiliary:
        return _verb(token, lemma, "ing")
    if (previous in _PRE_NOUN and previous) or (
        previous == "I" and before.word in ("with", "in", "to", "from", "into") and _can_be_noun(after)
    ):
        if previous == "A" and before.word in ("left", "right"):
            return _verb(token, lemma, "ing")
        if _can_be_noun(after) or (after is not None and after.word_class == "" and after.word in lexicon.ADJECTIVES):
            return "A"
        token.lemma = lemma
        return "N" if previous != "A" else _verb(token, lemma, "ing")
    if previous == "N" and state.light and before.lemma in lexicon.LIMBS and before.word not in morphology.PLURALS:
        token.lemma = lemma  # "performs knee bending"
        return "N"
    if previous == "V" and before.lemma in lexicon.LIGHT:
        token.lemma = lemma
        return "A" if _can_be_noun(after) else "N"
    if previous in ("", ".") and after is not None and morphology.noun_lemma(next_word) in lexicon.PERSONS:
        return "A"
    if previous == "N" and token.word in ("kneeling", "standing") and next_word in ("position",):
        return "A"
    return _verb(token, lemma, "ing")


_PARTICIPLE_ADJECTIVES = word_set(
    """bent raised extended stretched crossed outstretched tired relaxed folded spread lowered lifted locked injured
    hunched clasped straightened flexed curled tucked crouched closed opened arched"""
)


def _classify_ed(token, lemma, previous, before, after, state) -> str:
    next_word = after.word if after else ""
    if state.auxiliary:
        if lemma == "punch" and not token.text.lower().startswith("pun"):
            lemma = "push"  # "puched": passive captions push far more often than they punch
        if state.auxiliary == "be" and token.word in lexicon.ADJECTIVES:
            return "A"
        return _verb(token, lemma, "ed")
    if previous in ("D", "S", "A", "M", "I", "V", "Q"):
        return "A"
    if previous in ("W", "F", "B") and lemma in lexicon.PUSHES:
        return _verb(token, lemma, "ed")
    if state.with_phrase or previous in ("W", "Y"):
        return "A"
    if previous in ("N", "X", "R") and not state.verb and state.subject == "person":
        return _verb(token, lemma, "ed")
    if previous == "N" and not state.verb and state.subject == "thing" and next_word not in ("out", "up", "to", ""):
        return _verb(token, lemma, "ed")
    if previous in ("C", "O", ",", "R", "") and state.last_form == "ed" and not state.verb:
        return _verb(token, lemma, "ed")
    if previous in ("C", "O") and token.word in morphology.VERB_FORMS and token.word not in _PARTICIPLE_ADJECTIVES:
        moves_limb = after is not None and morphology.noun_lemma(after.word) in lexicon.BODY_PARTS
        return _verb(token, lemma, "ed") if moves_limb or not _can_be_noun(after) else "A"
    if previous in ("F", "B"):
        return _verb(token, lemma, "ed")
    return "A"


def _classify_s(tokens, token, lemma, known, noun, previous, place, after, state) -> str:
    if previous in ("", ".") and not known:
        return _noun(token)
    if previous == "N":
        if not state.verb and state.subject and not (state.light and noun):
            return _verb(token, lemma, "s") if known or state.subject == "person" else _noun(token)
        moves_on = after is not None and _CLOSED.get(after.word) == "R" and lemma in lexicon.VERBS
        if moves_on and not state.light:
            return _verb(token, lemma, "s")  # "is pushed from the front stumbles backwards"
        return _noun(token) if noun or not known else _verb(token, lemma, "s")
    if previous == "R" and noun and (state.light or (place >= 2 and tokens[place - 2].word_class in ("D", "M"))):
        return _noun(token)
    if previous == "R" and state.verb:
        # "walks forward steps back": a second finite verb without a joining word.
        return _noun(token) if not known else _verb(token, lemma, "s")
    if previous == "C" and state.light and noun:
        return _verb(token, lemma, "s") if known and _leaves_list(tokens, place, state) else _noun(token)
    if not known and previous in ("C", ","):
        first = tokens[place - 2] if place >= 2 else None
        if first is not None and first.word_class == "N" and first.word.endswith("s"):
            return _noun(token)
    if noun and token.word in morphology.PLURALS and lemma in lexicon.BODY_PARTS:
        # "arms and knees", but "then elbows the bag"
        moves_on = after is not None and _CLOSED.get(after.word) in ("R", "D", "S")
        return _noun(token) if not state.subject and not moves_on else _verb(token, lemma, "s")
    if noun and lemma not in lexicon.VERBS and previous != "X" and lemma not in ("start", "end"):
        return _noun(token)
    return _verb(token, lemma, "s")


def _leaves_list(tokens: list[Token], place: int, state: _State) -> bool:
    """Whether a word in -s after "does kicks and" is the next verb instead of a second noun.

    After a number ("does two squats and runs") a second noun would have a number too. Otherwise what follows decides:
    a direction or an object belongs to a verb.
    """
    if state.numbered:
        return True
    after = tokens[place + 1].word if place + 1 < len(tokens) else ""
    return after in lexicon.POSSESSIVES or after in ("the", "a", "an") or bool(lexicon.DIRECTIONS.get(after))


def _classify_base(tokens, token, lemma, known, noun, adjective, previous, before, place, after, state) -> str:
    if adjective and (_can_be_noun(after) or not noun) and previous != "X":
        return "A"
    if previous == "X":
        return _verb(token, lemma, "base")
    if previous == "N":
        if state.verb or not state.subject:
            return _noun(token) if noun else (_verb(token, lemma, "base") if not state.verb else _noun(token))
        if state.light and noun:
            return _noun(token)
        if state.subject == "person" or before.word in morphology.PLURALS:
            return _verb(token, lemma, "base")
        return _noun(token) if noun else _verb(token, lemma, "base")
    if previous == "C" and state.light and noun:
        return _noun(token)
    if previous in ("", ".", ",", "C", "O", "R", "W", "B", "F"):
        if previous == "R" and noun and place >= 2 and tokens[place - 2].word_class in ("D", "M"):
            return _noun(token)
        if state.verb and noun:
            return _noun(token)
        if noun and token.word in lexicon.BODY_PARTS:
            return _noun(token)
        if (
            previous
            and noun
            and lemma not in lexicon.STOPS
            and after is not None
            and morphology.VERB_FORMS.get(after.word, ("", ""))[1] == "ing"
        ):
            return _noun(token)  # "duck walking"
        if noun and lemma not in lexicon.VERBS:
            return _noun(token)
        if noun and _can_be_noun(after) and after.word not in lexicon.DIRECTIONS:
            return _noun(token)
        if previous in ("", ".") and noun and after is not None and after.word in ("of", "with", "is"):
            return _noun(token)
        return _verb(token, lemma, "base")
    return _noun(token) if noun else _verb(token, lemma, "base")
