"""Words with their parts of speech for any text, in the form of HumanML3D's caption files."""

from __future__ import annotations

from atom.captions.tokens import tokenize
from atom.captions.word_classes import classify

# The word classes of `atom.captions.word_classes`, in the tags of HumanML3D's files. Guo's evaluator knows no others.
_TAGS = {
    "V": "VERB",
    "N": "NOUN",
    "A": "ADJ",
    "R": "ADV",
    "D": "DET",
    "S": "DET",
    "X": "PRON",
    "M": "NUM",
    "I": "ADP",
    "Q": "AUX",
    "Z": "AUX",
    "O": "ADV",
    "B": "ADP",
    "F": "ADP",
}
_OTHER = "OTHER"


def tag_words(text: str) -> tuple[str, ...]:
    """The words of a text as `word/POS`, nouns and verbs in their base form, without punctuation and digits.

    HumanML3D's own tags come from a statistical tagger, from which these differ in some words.
    """
    tokens = tokenize(text)
    classify(tokens)
    tags = []
    for token in tokens:
        tag = _TAGS.get(token.word_class, _OTHER)
        lemma = token.lemma if tag in ("NOUN", "VERB") and token.word != "left" else token.word
        # An expression that the reader joins into one word, such as "high_knees", is several words here.
        tags += [f"{word.lower()}/{tag}" for word in lemma.split("_") if word.isalpha()]
    return tuple(tags)
