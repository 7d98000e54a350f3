"""Clauses of a caption: each verb (or noun of an act) with its objects, limbs, directions and numbers.

One pass from left to right with a bounded look ahead, so time grows with the length of the caption.
"""

from atom.captions import lexicon
from atom.captions.clause import Clause
from atom.captions.ellipsis import EllipsisReader
from atom.captions.lexicon import word_set
from atom.captions.noun_phrases import NOUN_PHRASE

MAX_CLAUSES = 200
# Verbs that tell how an act begins or ends: "starting with the left foot", "ends by looking up".
_BOUNDS = word_set("start begin end finish lead follow")
_BOUND_PREPOSITIONS = word_set("with by from at on off in up left right")
_NAMES_NO_ACT = lexicon.ASPECT_VERBS | lexicon.EMPTY | word_set("mime mimic imitate")
_LINKS = {"C": "and", "O": "then", "W": "while", "B": "before", "F": "after"}
_OPINIONS = word_set("suggest indicate mean imagine think believe")


class ClauseReader(EllipsisReader):
    """Reads the clauses of one caption from its classified tokens."""

    def read(self) -> list[Clause]:
        """Reads all clauses, in the order of the text."""
        place = 0
        while place < self.size and len(self.clauses) < MAX_CLAUSES:
            place = max(self._read_at(place), place + 1)
        if not self.clauses and not any(token.word_class in "VL" for token in self.tokens):
            self._read_verbless()
        return self.clauses

    def _read_at(self, place: int) -> int:
        token = self.tokens[place]
        letter = token.word_class
        if letter in ".,COWBF":
            return self._read_joining_word(place, token.word, letter)
        if letter == "Y":
            if token.word in ("that", "which") and self._class(place - 1) in "WF":
                return place + 1  # "during that he is pushed"
            first = not any(self._links & {".", ","}) and not self.clauses
            if token.word in ("that", "which", "whose") and first:
                return place + 1
            return self._skip_style(place + 1)
        if letter == "L":
            self._negated = True
            return place + 1
        if letter == "Q":
            if self._phrase_start < 0:
                self._phrase_start = place
            self._auxiliary = True
            self._passive = self._passive or token.word in ("being", "been") or token.lemma in ("get", "be")
            return place + 1
        if letter == "Z":
            return place + 1
        if letter == "T":
            if self._word(place - 1) == "about":
                self._negated = True  # "is about to sit": not yet begun
            reason = self._class(place + 1) == "V" and self.tokens[place + 1].lemma in lexicon.REASONS
            if reason and self.clauses and self._phrase_start < 0:
                return self._skip_reason(place + 1)
            if self.clauses and self._phrase_start < 0:
                self._links.add("to")
            return place + 1
        if letter == "V":
            if self._word(place - 1) in ("almost", "nearly"):
                self._negated = True
            return self._read_verb(place)
        if letter == "X" and token.word not in lexicon.OBJECT_PRONOUNS:
            self._subject = None
            return place + 1
        if letter == "X":
            return place + 1
        if letter == "I":
            return self._preposition_outside(place)
        if letter == "R":
            return self._adverb_outside(place)
        if letter in NOUN_PHRASE:
            return self._noun_outside(place)
        return place + 1

    def _read_joining_word(self, place: int, word: str, letter: str) -> int:
        """Keeps what joins the next clause to those before: punctuation, "and", "then", "while", "before", "after"."""
        self._links.add(_LINKS.get(letter, letter))
        if word in ("first", "firstly"):
            self._links.add("first")
        if word in ("when", "simultaneously", "meanwhile"):
            self._links.add("when" if word == "when" else "while")
        if letter in ".,":
            self._subject = None
        if letter != "O" or self._class(place - 1) != "Q":  # "is then pushed" goes on
            self._reset()
        return place + 1

    def _skip_style(self, place: int) -> int:
        """Leaves out a comparison, reason or relative clause: up to the next comma, order word or finite verb."""
        form = self.clauses[-1].form if self.clauses else "s"
        while place < self.size:
            letter = self._class(place)
            if letter in ".,OB" or (letter == "W" and self._word(place) != "as"):
                return place
            if letter == "C":
                ahead = place + 1
                while self._class(ahead) in "RO" and ahead < self.size:
                    ahead += 1
                if self._class(ahead) in "VQ" and (self.tokens[ahead].form == form or self._class(ahead) == "Q"):
                    return place
            elif self.clauses and not self.clauses[-1].counts:
                self._take_times(self.clauses[-1], place)
            place += 1
        return place

    def _read_verb(self, place: int) -> int:
        token = self.tokens[place]
        if self._negated:
            self._reset()
            return self._skip_reason(place + 1)
        after = self._read_empty_verb(place, token.lemma)
        if after > place:
            return after
        limb_subject = self._subject is not None and self._subject.is_limb
        bare_participle = token.form == "ing" and not self._auxiliary
        if limb_subject and bare_participle and self.clauses and not self._links - {","}:
            return self._skip_reason(place + 1)  # "arms swinging": how it looks, not an act of its own
        clause = self._new_clause(place, bare_participle)
        if token.lemma == "continue" and self._class(self._past_adverbs(place + 1)) in "IR.,C":
            clause.lemma = "walk"  # "continues on his path"
        self._open(clause)
        place = self._complete_verb_group(clause, place + 1)
        place = self._consume(clause, place)
        self._close(clause)
        return place

    def _past_adverbs(self, place: int) -> int:
        while self._class(place) == "R":
            place += 1
        return place

    def _read_empty_verb(self, place: int, lemma: str) -> int:
        """Passes verbs that name no act: "seems to", "starts to", "starting with the left foot", "looks like"."""
        ahead = self._past_adverbs(place + 1)
        word, letter = self._word(ahead), self._class(ahead)
        if lemma in _NAMES_NO_ACT:
            if lemma in _BOUNDS and word in _BOUND_PREPOSITIONS:
                opens = word == "by" and self._class(ahead + 1) == "V" and not self.clauses  # "starts by walking"
                if not opens:
                    return self._read_bound(ahead, lemma)
            if lemma == "pretend" and self._word(ahead + 1) == "be":
                clause = Clause(lemma, "s", place, place, place)
                self._open(clause)
                self._close(clause)
                return self._skip_reason(ahead + 2)
            joined = word in ("on", "to", "in", "being") and self._class(ahead + 1) in "VQ"
            if letter == "T" or joined or (letter == "V" and self.tokens[ahead].form == "ing"):
                after = ahead + (1 if letter == "T" or word in ("on", "in", "to") else 0)
                if lemma in lexicon.ASPECT_VERBS and (self._phrase_start < 0 or self._auxiliary):
                    self._phrase_start = place  # "starts to run" is one phrase
                    self._passive = self._auxiliary = False
                elif lemma not in lexicon.ASPECT_VERBS and self._phrase_start < 0:
                    self._phrase_start = after
                return after
        if lemma in _OPINIONS and self.clauses:
            return self._skip_style(place + 1)
        if lemma == "look" and self._word(place + 1) in ("like", "as_if", "as_though"):
            self._reset()
            return place + 1
        if lemma == "be":
            self._reset()
            self._auxiliary = True
            return place + 1
        return place

    def _read_bound(self, place: int, lemma: str) -> int:
        """Reads "ends by looking up" and "finishes with a bow" as acts, passes "starting with the left foot"."""
        if self._class(place + 1) == "V" and self._word(place) in ("by", "off", "up"):
            self._links.add("then")
            return place + 1
        self._reset()
        closes = lemma in ("end", "finish") and self._word(place) in ("with", "in")
        if closes and self._class(place + 1) in NOUN_PHRASE and self._act_of(self._noun_phrase(place + 1)):
            self._links.add("then")
            return place + 1
        return self._skip_starting_limb(place)

    def _new_clause(self, place: int, bare_participle: bool) -> Clause:
        token = self.tokens[place]
        participle = token.form == "ed"
        start = self._phrase_start
        if start < 0 or (self._auxiliary and not participle):
            start = place
        clause = Clause(token.lemma, token.form, start, place, place)
        # "a person pushed from behind", "stumbles when pushed": passives that lost their auxiliary
        reduced = self._class(place - 1) == "W" or (
            self._class(place - 1) == "N" and self._word(place + 1) in ("from", "by", "in")
        )
        pushed = token.lemma in lexicon.PUSHES and reduced and not self._auxiliary
        clause.passive = participle and (self._passive or pushed)
        before = self.clauses[-1] if self.clauses else None
        if before is not None:
            # "standing on one leg she swings": a posture that lasts
            held = before.form == "ing" and before.lemma in lexicon.HOLDS and before.start == before.head
            clause.beside = held and not self._links and token.form in ("s", "ed")
            clause.hung = bare_participle and not self._links - {","} and self._subject is None
        clause.finite = not bare_participle
        if self._still:
            clause.adverbs.append("still")
        return clause

    def _skip_starting_limb(self, place: int) -> int:
        """Passes "with the left foot" after "starting": which foot begins is no event and no side."""
        while self._class(place) in "IR" and place < self.size:
            place += 1
        if self._class(place) in NOUN_PHRASE:
            place = self._noun_phrase(place).end
        while self._class(place) == "R" and place < self.size and self._class(place + 1) not in "VQ":
            place += 1
        return place
