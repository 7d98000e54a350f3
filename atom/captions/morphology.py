"""Forms of English words: which lemma and which form (base, s, ing, ed) a word can have, and likely misspellings."""

from functools import lru_cache

from atom.captions import lexicon

_VOWELS = "aeiou"


def _doubles(lemma: str) -> bool:
    lemma = lemma.replace("qu", "q")  # the u of "squat" is no vowel
    if len(lemma) < 3 or lemma[-1] in _VOWELS + "wxy" or lemma[-2] not in _VOWELS or lemma[-3] in _VOWELS:
        return False
    syllables = sum(1 for a, b in zip(" " + lemma, lemma) if b in _VOWELS and a not in _VOWELS)
    return syllables == 1 or lemma in ("unzip", "kickbox", "zigzag", "headbang", "shrug", "outstrip")


def inflect(lemma: str) -> list[tuple[str, str]]:
    """Gives the regular forms of a verb.

    Args:
        lemma: the base form.

    Returns:
        Pairs of a form and its class: "base", "s", "ing" or "ed".
    """
    forms = [(lemma, "base")]
    if lemma.endswith(("s", "x", "z", "ch", "sh", "o")):
        forms.append((lemma + "es", "s"))
    elif lemma.endswith("y") and lemma[-2] not in _VOWELS:
        forms.append((lemma[:-1] + "ies", "s"))
    else:
        forms.append((lemma + "s", "s"))
    if lemma.endswith("ie"):
        return [*forms, (lemma[:-2] + "ying", "ing"), (lemma + "d", "ed")]
    stem = lemma + lemma[-1] if _doubles(lemma) else lemma
    if lemma.endswith("e") and not lemma.endswith(("ee", "oe", "ye")):
        return [*forms, (lemma[:-1] + "ing", "ing"), (lemma + "d", "ed")]
    past = lemma + "d" if lemma.endswith("e") else stem + "ed"
    if lemma.endswith("y") and lemma[-2] not in _VOWELS:
        past = lemma[:-1] + "ied"
    return [*forms, (stem + "ing", "ing"), (past, "ed")]


def _verb_forms() -> dict[str, tuple[str, str]]:
    forms = {}
    for lemma in sorted(lexicon.VERBS | lexicon.OTHER_VERBS):
        for form, kind in inflect(lemma):
            if kind == "base" or form not in forms:
                forms[form] = (lemma, kind)
        if lemma[-1] not in _VOWELS + "wxy" and lemma[-2] in _VOWELS and lemma[-3:-2] not in tuple(_VOWELS):
            # Both spellings of verbs of several syllables: "sidestepping", "travelling"
            forms.setdefault(lemma + lemma[-1] + "ing", (lemma, "ing"))
            forms.setdefault(lemma + lemma[-1] + "ed", (lemma, "ed"))
    forms.update(lexicon.IRREGULAR)
    return forms


VERB_FORMS = _verb_forms()


def _noun_forms() -> dict[str, str]:
    forms = {}
    for noun in sorted(lexicon.NOUNS | frozenset(lexicon.ACT_NOUNS) | lexicon.PERSONS):
        forms[noun] = noun
        forms.setdefault(inflect(noun)[1][0], noun)
    forms.update(lexicon.IRREGULAR_PLURALS)
    return forms


NOUN_FORMS = _noun_forms()
PLURALS = {form for form, noun in NOUN_FORMS.items() if form != noun} - {"food", "feed", "feat", "all_fours"}

_OTHER_WORDS = frozenset().union(
    lexicon.DETERMINERS,
    lexicon.POSSESSIVES,
    lexicon.PRONOUNS,
    lexicon.OBJECT_PRONOUNS,
    lexicon.PREPOSITIONS,
    lexicon.AUXILIARIES,
    lexicon.MODALS,
    lexicon.NEGATIONS,
    lexicon.COORDINATORS,
    lexicon.ORDER_WORDS,
    lexicon.WHILE_WORDS,
    lexicon.BEFORE_WORDS,
    lexicon.AFTER_WORDS,
    lexicon.STYLE_WORDS,
    lexicon.ADVERBS,
    lexicon.VAGUE_NUMBERS,
    lexicon.ADJECTIVES,
    lexicon.UNITS,
    lexicon.NUMBERS,
    lexicon.DIRECTIONS,
    lexicon.SPELLINGS,
)
KNOWN = _OTHER_WORDS | frozenset(VERB_FORMS) | frozenset(NOUN_FORMS)

# Words worth a correction, the likelier first.
_FREQUENT_VERBS = lexicon.word_list(
    """walk turn perform jump stand move take start stumble step throw wipe raise kick kneel lift punch
    push recover stretch bend crawl swing dance jog stir return continue wave dodge balance rotate shake lower avoid
    stop hop rise climb begin squat pick place crouch strum swim sprint spin make"""
)
_FREQUENT_WORDS = lexicon.word_list(
    """person human someone somebody subject figure forward forwards backward backwards sideways
    clockwise counterclockwise straight around circle quarter degree degrees before while after during then with
    right left slowly quickly another steps towards against something object ground shoulder position guitar
    sidestep running motion movement because again"""
)


def _corrections() -> dict[str, list[str]]:
    """Maps each frequent word, and each with one letter missing, to the words it may stand for (after SymSpell)."""
    table: dict[str, list[str]] = {}
    words = [form for verb in _FREQUENT_VERBS for form, kind in inflect(verb)] + _FREQUENT_WORDS
    for word in words:
        for key in _with_one_letter_less(word):
            table.setdefault(key, []).append(word)
    return table


def _with_one_letter_less(word: str) -> set[str]:
    return {word} | {word[:i] + word[i + 1 :] for i in range(1, len(word))}


_CORRECTIONS = _corrections()


def _distance_is_one(a: str, b: str) -> bool:
    """Whether one letter more, less or other, or two neighbours swapped, make one word of the other."""
    if abs(len(a) - len(b)) > 1 or a == b:
        return False
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    x, y = a[start:], b[start:]
    if len(a) == len(b):
        return x[1:] == y[1:] or (len(x) > 1 and x[0] == y[1] and x[1] == y[0] and x[2:] == y[2:])
    return x[1:] == y if len(a) > len(b) else x == y[1:]


@lru_cache(maxsize=20000)
def correct(word: str) -> str:
    """Gives the frequent word that an unknown word most likely misspells, or the word itself.

    The first letter must agree: typists seldom miss it, and it keeps "bakes" from becoming "takes".

    Args:
        word: a lower-case word that no list knows.

    Returns:
        The corrected word, or `word` unchanged.
    """
    if len(word) < 4 or not word.isalpha():
        return word
    found = []
    for key in _with_one_letter_less(word):
        found += [w for w in _CORRECTIONS.get(key, ()) if w[0] == word[0]]
    if not found:
        return word
    # A swap or a missing or doubled letter is likelier than another letter in its place.
    best = min(found, key=lambda w: (not _distance_is_one(word, w), len(w) == len(word) and sorted(w) != sorted(word)))
    if not _distance_is_one(word, best):
        return best if len(word) >= 7 and abs(len(best) - len(word)) <= 1 and best[:2] == word[:2] else word
    if len(word) == 4 and (len(best) == 4 and sorted(best) != sorted(word)):
        return word  # four letters with another one in place: too little to go by
    return best


@lru_cache(maxsize=20000)
def verb_form(word: str) -> tuple[str, str] | None:
    """Tells which verb a word can be a form of.

    Args:
        word: a lower-case word.

    Returns:
        The lemma and the form ("base", "s", "ing", "ed"), or None where no verb is likely.
    """
    known = VERB_FORMS.get(word)
    if known or word in _OTHER_WORDS or word in NOUN_FORMS or not word.isalpha():
        return known
    # No stem ends in a consonant and r or w: "handspring" and "upswing" are nouns.
    is_noun = word[-4:-3] in ("r", "w") and word[-5:-4] not in (*_VOWELS, "y", "r")
    if word.endswith("ing") and len(word) > 5 and not is_noun and any(c in _VOWELS + "y" for c in word[:-3]):
        return _stem(word[:-3]), "ing"
    if word.endswith("ed") and len(word) > 4 and any(c in _VOWELS + "y" for c in word[:-2]):
        return _stem(word[:-2]), "ed"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return _third_person(word), "s"
    return None


def _third_person(word: str) -> str:
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zzes")):
        return word[:-2]
    return word[:-1]


def _stem(stem: str) -> str:
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "lsz":
        return stem[:-1]
    if stem[-1] in "vuzc" or (stem[-1] in "kt" and len(stem) > 2 and stem[-2] in "aio" and stem[-3] not in _VOWELS):
        return stem + "e"
    if stem[-1] in "gls" and len(stem) > 2 and stem[-2] in "gbdtpzr" and stem[-1] != "s":
        return stem + "e"
    return stem


@lru_cache(maxsize=20000)
def noun_lemma(word: str) -> str:
    """Gives the singular of a noun.

    Args:
        word: a lower-case noun.

    Returns:
        Its singular, by the word lists or else by its ending.
    """
    known = NOUN_FORMS.get(word)
    if known:
        return known
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return _third_person(word)
    return word


def is_known(word: str) -> bool:
    """Whether one of the word lists holds the word.

    Args:
        word: a lower-case word.

    Returns:
        True if it is in a list, as such or as a form of a word in it.
    """
    return word in KNOWN
