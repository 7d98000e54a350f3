"""Clauses of a caption: each verb (or noun of an act) with its objects, limbs, directions and numbers.

One pass from left to right over classified words; nothing is read twice, so time grows with the length of the caption.
"""

from atom.captions import lexicon
from atom.captions.clause import Clause
from atom.captions.ellipsis import EllipsisReader
from atom.captions.noun_phrases import NOUN_PHRASE

MAX_CLAUSES = 200


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
        if letter in ".,":
            self._links.add("." if letter == "." else ",")
            self._subject = None
            self._reset()
            return place + 1
        if letter == "C":
            self._links.add("and")
            self._reset()
            return place + 1
        if letter in "OWBF":
            self._links.add({"O": "then", "W": "while", "B": "before", "F": "after"}[letter])
            if token.word in ("when", "simultaneously", "meanwhile"):
                self._links.add("when" if token.word == "when" else "while")
            if letter != "O" or self._class(place - 1) != "Q":
                self._reset()
            return place + 1
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
        lemma, form = token.lemma, token.form
        if self._negated:
            self._reset()
            return self._skip_reason(place + 1)
        ahead = place + 1
        while self._class(ahead) == "R" and ahead < self.size:
            ahead += 1
        if lemma in lexicon.ASPECT_VERBS or lemma in lexicon.EMPTY:
            if lemma in ("start", "begin", "end", "finish", "lead", "follow") and self._word(ahead) in (
                "with", "by", "from", "at", "on", "off", "in", "up", "left", "right"
            ) and not (self._word(ahead) == "by" and self._class(ahead + 1) == "V" and not self.clauses):  # fmt: skip
                if self._class(ahead + 1) == "V" and self._word(ahead) in ("by", "off", "up"):
                    self._links.add("then")
                    return ahead + 1
                self._reset()
                if (
                    lemma in ("end", "finish")
                    and self._word(ahead) in ("with", "in")
                    and self._class(ahead + 1) in NOUN_PHRASE
                ):
                    closing = self._noun_phrase(ahead + 1)
                    if self._act_of(closing):
                        self._links.add("then")
                        return ahead + 1
                return self._skip_starting_limb(ahead)
            if lemma in lexicon.DIFFUSE | {"pretend"} and self._word(ahead + 1) == "be":
                clause = Clause(lemma, form, place, place, place)
                self._open(clause)
                self._close(clause)
                return self._skip_reason(ahead + 2)
            if self._class(ahead) == "T" or (self._class(ahead) == "V" and self.tokens[ahead].form == "ing") or (
                self._word(ahead) in ("on", "to", "in", "being") and self._class(ahead + 1) in "VQ"
            ):  # fmt: skip
                if lemma in lexicon.ASPECT_VERBS and (self._phrase_start < 0 or self._auxiliary):
                    self._phrase_start = place
                    self._passive = self._auxiliary = False
                elif lemma not in lexicon.ASPECT_VERBS and self._phrase_start < 0:
                    self._phrase_start = ahead + 1 if self._class(ahead) == "T" else ahead
                return ahead + (1 if self._class(ahead) == "T" or self._word(ahead) in ("on", "in", "to") else 0)
        if lemma in ("suggest", "indicate", "mean", "imagine", "think", "believe") and self.clauses:
            return self._skip_style(place + 1)
        if lemma == "continue" and self._class(ahead) in "IR.,C" and self._word(ahead) not in ("with",):
            lemma = "walk"  # "continues on his path"
        if lemma == "look" and self._word(place + 1) in ("like", "as_if", "as_though"):
            self._reset()
            return place + 1
        limb_subject = self._subject is not None and self._subject.is_limb
        if limb_subject and form == "ing" and not self._auxiliary and self.clauses and not self._links - {","}:
            return self._skip_reason(place + 1)  # "arms swinging": how it looks, not an act of its own
        if lemma in ("be",):
            self._reset()
            self._auxiliary = True
            return place + 1
        clause = Clause(lemma, form, self._phrase_start if self._phrase_start >= 0 else place, place, place)
        if (self._auxiliary and form != "ed") or (not self._auxiliary and self._phrase_start < 0):
            clause.start = place
        clause.passive = (self._passive and form == "ed") or (
            form == "ed" and lemma in lexicon.PUSHES and not self._auxiliary and (
                self._class(place - 1) == "W"
                or (self._class(place - 1) == "N" and self._word(place + 1) in ("from", "by", "in"))
            )
        )  # fmt: skip
        before = self.clauses[-1] if self.clauses else None
        clause.beside = (
            before is not None and not self._links and form in ("s", "ed") and before.form == "ing"
            and before.lemma in lexicon.HOLDS and before.start == before.head
        )  # fmt: skip
        clause.hung = (
            form == "ing" and not self._auxiliary and bool(self.clauses) and not self._links - {",", "as"}
            and self._subject is None
        )  # fmt: skip
        clause.finite = form != "ing" or self._auxiliary
        if self._still:
            clause.adverbs.append("still")
        self._open(clause)
        place = self._complete_verb_group(clause, place + 1)
        place = self._consume(clause, place)
        self._close(clause)
        return place

    def _skip_starting_limb(self, place: int) -> int:
        """Passes "with the left foot" after "starting": which foot begins is no event and no side."""
        while self._class(place) in "IR" and place < self.size:
            place += 1
        if self._class(place) in NOUN_PHRASE and self._class(place) != ".":
            place = self._noun_phrase(place).end
        while self._class(place) == "R" and place < self.size and self._class(place + 1) not in "VQ":
            place += 1
        return place
