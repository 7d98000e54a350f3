"""Noun phrases: the noun, what stands before it, and "of" with a further noun."""

from atom.captions import lexicon, morphology
from atom.captions.clause import Clause, NounPhrase
from atom.captions.lexicon import word_set
from atom.captions.tokens import Token

# Adverbs that may stand inside of a noun phrase: "two very small backward steps".
_INNER_ADVERBS = word_set(
    """very more quite about approximately almost nearly slightly too less a_bit upright sideways forward backward
    forwards backwards left right leftward leftwards rightward rightwards upward upwards downward clockwise
    counterclockwise"""
)
NOUN_PHRASE = "DSAMN"  # word classes that a noun phrase can begin with


class NounPhraseReader:
    """Reads noun phrases from classified tokens; the readers of larger pieces build on it."""

    def __init__(self, tokens: list[Token]):
        self.tokens = tokens
        self.size = len(tokens)
        self.clauses: list[Clause] = []  # what the larger readers have found so far

    def _class(self, place: int) -> str:
        return self.tokens[place].word_class if 0 <= place < self.size else "."

    def _word(self, place: int) -> str:
        return self.tokens[place].word if 0 <= place < self.size else ""

    def _noun_phrase(self, place: int) -> NounPhrase:
        """Reads a noun phrase that begins at `place`; its head is -1 where only adjectives or numbers stand."""
        start, head = place, -1
        side = number = None
        number_place = -1
        modifiers: list[str] = []
        acting = ""
        determiner = False
        while place < self.size:
            token = self.tokens[place]
            letter = token.word_class
            if letter in "DS":
                if head >= 0:
                    break
                determiner = True
                if token.word in lexicon.VAGUE_NUMBERS or token.word in ("both", "other"):
                    modifiers.append(token.word)
            elif letter == "A":
                if head >= 0 and self.tokens[head].lemma in lexicon.UNITS and self._class(place + 1) in "AN":
                    modifiers.append(self.tokens[head].word)  # "a 90 degree right turn"
                    head = -1
                if head >= 0:
                    break
                if token.word in ("left", "right"):
                    side = None if side not in (None, token.word) else token.word  # "left and right arm": none
                elif token.word in ("single", "double", "triple"):
                    number, number_place = lexicon.NUMBERS[token.word], place
                elif token.word.endswith("ing") and morphology.verb_form(token.word):
                    acting = morphology.verb_form(token.word)[0]
                modifiers.append(token.word)
            elif letter == "M":
                if head >= 0:
                    break
                compound = self._word(place + 1) in ("handed", "legged", "footed", "sided")  # "one handed": no number
                value = None if compound else lexicon.NUMBERS.get(token.word)
                if value is None:
                    try:
                        value = round(float(token.word.replace(",", ".")))
                    except ValueError:
                        value = None
                if number is None or self._class(place - 1) != "A":
                    number, number_place = value, place
            elif letter == "N":
                if head >= 0:
                    # A noun before a noun modifies it: "karate kick", "90 degree turn".
                    previous = self.tokens[head]
                    if self._separate(previous, token):
                        break
                    modifiers.append(previous.lemma if previous.lemma in lexicon.ACT_NOUNS else previous.word)
                head = place
            elif letter == "R" and token.word.endswith("ly") and head < 0 and self._class(place + 1) in "AMN":
                pass
            elif letter == "R" and token.word in _INNER_ADVERBS and head < 0 and self._class(place + 1) in "AMN":
                if token.word in lexicon.DIRECTIONS:
                    modifiers.append(token.word)
                    if lexicon.DIRECTIONS[token.word] in ("left", "right"):
                        side = lexicon.DIRECTIONS[token.word]  # "a quarter leftwards circle"
            elif (
                letter == "C"
                and head < 0
                and place > start
                and self._class(place - 1) in "AM"
                and self._class(place + 1) in "AMD"
            ):
                # "3 bigger and 1 smaller steps", "four and a half steps"
                pass
            elif (
                letter == ","
                and head < 0
                and self._class(place - 1) == "A"
                and self._class(place + 1) in "AN"
                and modifiers
            ):
                pass
            else:
                break
            place += 1
        head_lemma = self.tokens[head].lemma if head >= 0 else ""
        end = place
        phrase = NounPhrase(
            start,
            max(end, start + 1),
            head,
            head_lemma,
            side,
            number,
            number_place,
            determiner,
            tuple(modifiers),
            acting,
        )
        phrase.plural = head >= 0 and (
            self.tokens[head].word in morphology.PLURALS or self.tokens[head].word.endswith("s")
        )
        if self._word(end) == "of" and self._class(end + 1) in NOUN_PHRASE:
            inner = self._noun_phrase(end + 1)
            named = inner.head >= 0 and inner.lemma not in lexicon.OBJECT_PRONOUNS
            if named and (head < 0 or head_lemma == "one"):
                return self._part_of(phrase, inner)
            phrase.of = inner
            phrase.end = inner.end
        return phrase

    @staticmethod
    def _part_of(part: NounPhrase, whole: NounPhrase) -> NounPhrase:
        """Joins "both of his hands" and "one of her arms" into one phrase about the hands or arms."""
        whole.start = part.start
        whole.modifiers = (*part.modifiers, *whole.modifiers)
        if part.lemma == "one":
            whole.plural = False
        elif part.number is not None:
            whole.number, whole.number_place = part.number, part.number_place
        return whole

    @staticmethod
    def _separate(first: Token, second: Token) -> bool:
        """Two nouns in a row that aren't one phrase: "his hand something"."""
        return (
            (first.lemma in lexicon.LIMBS and second.lemma not in morphology.NOUN_FORMS)
            or first.word in ("left", "right")
            or second.word in ("something", "somebody", "someone", "left", "right", "times", "time")
            or first.lemma in ("something", "someone")
            or (second.lemma in lexicon.LIMBS and first.lemma in ("ground", "floor", "air"))
            or (
                first.lemma in lexicon.PERSONS
                and first.word not in ("robot", "boxer", "body", "chicken", "model", "player", "dancer")
            )
        )
