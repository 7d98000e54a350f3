"""Words of a caption with their place in the text, fixed expressions joined into one word."""

import re

from atom.captions import lexicon, morphology

MAX_CHARACTERS = 2000
_BEHIND_A_VERB = lexicon.word_set("around forward forwards back backwards backward up down")

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+(?:[.,]\d+)?|°|[^\w\s]")
_PUNCTUATION = {
    ".": ".",
    ";": ".",
    "!": ".",
    "?": ".",
    ":": ",",
    ",": ",",
    "(": ",",
    ")": ",",
    "–": ",",
    "—": ",",
    "°": "N",
}


class Token:
    """One word: its text and place, its normal spelling, and what `classify` finds out about it."""

    __slots__ = ("end", "form", "lemma", "start", "tag", "text", "word", "word_class")

    def __init__(self, text: str, word: str, start: int, end: int):
        self.text, self.word, self.start, self.end = text, word, start, end
        self.word_class = ""  # one letter, see `word_classes`
        self.lemma = word
        self.form = ""  # of verbs: base, s, ing, ed
        self.tag = ""  # the word class that the data set gives, if any

    def __repr__(self) -> str:
        return f"{self.word}/{self.word_class}"


def _multiword_index() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    index: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for text, joined in lexicon.MULTIWORDS.items():
        words = tuple(text.split())
        index.setdefault(words[0], []).append((words, joined))
    for entries in index.values():
        entries.sort(key=lambda entry: -len(entry[0]))
    return index


_MULTIWORDS = _multiword_index()


def tokenize(text: str, tags: list[tuple[str, str]] | None = None) -> list[Token]:
    """Splits a caption into words.

    Args:
        text: the caption.
        tags: (word, universal part of speech) pairs as in HumanML3D's files, which hold no numbers and punctuation.

    Returns:
        The words in order; hyphens split words and are dropped, fixed expressions are one word.
    """
    tokens = []
    for match in _WORD.finditer(text):
        piece = match.group()
        if piece in ("-", "‐", "'", '"', "’", "“", "”", "`"):
            continue
        word = piece.lower().replace("’", "'")
        if word.endswith("'s"):
            # "person's" may be a genitive or a misspelt plural or subject: the noun alone is kept.
            word = word[:-2] if word != "it's" else "its"
        token = Token(piece, lexicon.SPELLINGS.get(word, word), match.start(), match.end())
        tokens.append(token)
    if tags:
        _align(tokens, tags)
    return _join(tokens)


def is_punctuation(token: Token) -> str:
    """Tells signs from words.

    Args:
        token: any word or sign of a caption.

    Returns:
        "." where a sentence may end, "," for other signs, "" for words.
    """
    return _PUNCTUATION.get(token.text, "" if token.text[0].isalnum() else ",")


def _align(tokens: list[Token], tags: list[tuple[str, str]]) -> None:
    """Hands the given word classes to the tokens they belong to; words that don't agree get none."""
    place = 0
    for token in tokens:
        if not token.text[0].isalpha():
            continue
        low = token.text.lower()
        for ahead in range(place, min(place + 3, len(tags))):
            lemma, tag = tags[ahead]
            if lemma == low or (tag in ("VERB", "NOUN", "AUX") and lemma[:1] == low[:1] and _is_form(low, lemma)):
                token.tag = tag
                token.lemma = lemma
                place = ahead + 1
                break


def _is_limb(tokens: list[Token], place: int) -> bool:
    return place < len(tokens) and morphology.noun_lemma(tokens[place].word) in lexicon.LIMBS


def _mend_joining_words(tokens: list[Token]) -> None:
    """Reads "the turns around" as "then turns around", and "an turns" as "and turns".

    What stands behind the verb, or the consonant behind "an", shows that a letter is lost.
    """
    for place in range(1, len(tokens) - 1):
        token, following = tokens[place], tokens[place + 1]
        if token.word not in ("the", "an") or following.word not in morphology.VERB_FORMS:
            continue
        form = morphology.VERB_FORMS[following.word][1]
        if token.word == "an":
            if form == "s" and following.word[0] not in "aeiou":
                token.word = "and"
            continue
        after = tokens[place + 2].word if place + 2 < len(tokens) else ""
        moves_on = after in _BEHIND_A_VERB or (after[:1].isdigit() and form != "ing")
        before = tokens[place - 1].word
        starts_phrase = before in lexicon.PREPOSITIONS or before in morphology.VERB_FORMS
        if form in ("s", "base") and moves_on and not starts_phrase:
            token.word = "then"


def _is_form(word: str, lemma: str) -> bool:
    if lemma[:2] == word[:2]:
        return True
    known = morphology.VERB_FORMS.get(word)
    return bool(known and known[0] == lemma)


def _join(tokens: list[Token]) -> list[Token]:
    joined = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        for words, name in _MULTIWORDS.get(token.word, ()):
            if len(words) <= len(tokens) - place and all(tokens[place + k].word == w for k, w in enumerate(words)):
                if name == "left_and_right" and _is_limb(tokens, place + len(words)):
                    continue  # "his left and right arm"
                last = tokens[place + len(words) - 1]
                token = Token("_", name, token.start, last.end)
                place += len(words) - 1
                break
        joined.append(token)
        place += 1
    _mend_joining_words(joined)
    for token in joined:
        if not morphology.is_known(token.word) and token.text != "_" and token.word.isalpha():
            token.word = morphology.correct(token.word)
    return joined
