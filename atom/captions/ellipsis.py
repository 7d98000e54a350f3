"""Acts without a verb of their own: "then with his right arm", "2 steps back and then again forward"."""

from atom.captions import lexicon
from atom.captions.clause import Clause, NounPhrase
from atom.captions.complements import ComplementReader
from atom.captions.noun_phrases import NOUN_PHRASE
from atom.captions.tokens import Token

_THINGS = lexicon.NOUNS - lexicon.PERSONS - lexicon.ANIMATE - lexicon.BODY_PARTS


class EllipsisReader(ComplementReader):
    """Reads words outside of any clause, which may be an act that takes its verb from the clause before."""

    def __init__(self, tokens: list[Token]):
        super().__init__(tokens)
        self._links: set[str] = set()  # what joins the next clause to those before
        self._subject: NounPhrase | None = None
        self._leading_limb: NounPhrase | None = None
        self._leading_count: int | None = None
        self._reset()

    def _adverb_outside(self, place: int) -> int:
        word = self.tokens[place].word
        if word == "still":
            self._still = True
        if (
            word in lexicon.TIMES_ADVERBS
            and self.clauses
            and self._class(place + 1) == "I"
            and ("then" in self._links or ("and" in self._links and self._can_split()))
        ):
            return self._read_ellipsis(place)  # "then twice on the right leg"
        if word in lexicon.TIMES_ADVERBS:
            self._take_outside_count(lexicon.TIMES_ADVERBS[word], place + 1)
            return place + 1
        if word in ("back", "up") and self._links and self._word(place + 1) in ("to", "on", "onto"):
            phrase = self._noun_phrase(place + 2)
            if phrase.lemma == "foot" and phrase.plural:  # "sits and then back to his feet"
                clause = Clause("get", "s", place, place, phrase.end - 1, directions=["up"])
                self._open(clause)
                self._close(clause)
                return phrase.end
        if word in ("again", *lexicon.DIRECTIONS) and self._is_ellipsis(place):
            return self._read_ellipsis(place)
        return place + 1

    def _take_outside_count(self, number: int, place: int) -> None:
        """Gives a number of times that stands apart from a verb to the next act or to the one before.

        Args:
            number: the number of times.
            place: what follows it: "three times the boy jumps", or "hops on one foot, the left one, four times".
        """
        before = self.clauses[-1] if self.clauses else None
        if self._class(place) in "DSXNV" and (before is None or "and" in self._links or "then" in self._links):
            self._leading_count = number
        elif before is not None and not before.counts and not self._links - {","}:
            before.counts.append((number, "act"))

    def _is_ellipsis(self, place: int) -> bool:
        """An act that is plain without its verb: "2 steps back and then again forward"."""
        if not self.clauses or not ({"then"} & self._links or ("and" in self._links and self._can_split())):
            return False
        if self._links & {"while", "before", "after"}:
            return False
        ahead = place
        direction = False
        while self._class(ahead) == "R" and ahead < self.size:
            direction = direction or bool(lexicon.DIRECTIONS.get(self._word(ahead)))
            ahead += 1
        steps = self._class(ahead) in "MD" and self.clauses[-1].has_steps
        return direction and (steps or self._class(ahead) in ".,OCIWF")

    def _can_split(self) -> bool:
        last = self.clauses[-1]
        return self._splits(last) or (last.limb is not None and last.lemma == "step")

    def _read_ellipsis(
        self, place: int, limb: NounPhrase | None = None, preposition: str = "", skip_to: int = -1
    ) -> int:
        model = self.clauses[-1]
        clause = Clause(model.lemma, model.form, place, place, place)
        clause.elliptic, clause.from_noun, clause.named = True, model.from_noun, model.named
        clause.has_steps = model.has_steps
        self._open(clause)
        if limb is not None:
            clause.end = limb.end - 1
            if model.limb is not None or preposition in ("with", "using"):
                clause.limb = limb
            else:
                clause.objects.append(limb)
                clause.prepositions.extend(model.prepositions)
            place = limb.end
        place = self._consume(clause, max(place, skip_to))
        if (
            limb is None
            and model.lemma == "step"
            and model.limb is not None
            and clause.directions[:1] in (["left"], ["right"])
        ):
            # "steps with the left foot and right again": the other foot, same way
            clause.limb = NounPhrase(clause.start, clause.start + 1, -1, model.limb.lemma, clause.directions[0])
            clause.directions = list(model.directions)
        elif limb is not None and not clause.directions and clause.limb is not None:
            clause.objects.extend(model.objects)
        elif model.lemma != "step" and not clause.limbs():
            # "extends her left arm to the front, then to the side": the same limb
            clause.limb, clause.limb_preposition = model.limb, model.limb_preposition
            clause.objects.extend(phrase for phrase in model.objects if phrase.is_limb)
        self._close(clause)
        return place

    def _preposition_outside(self, place: int) -> int:
        """A prepositional phrase before any verb ("from a sitting position, ...") or an ellipsis."""
        inside = place + 1
        while self._class(inside) == "R" and self._class(inside + 1) in "RAM":
            inside += 1  # "with initially bent knees"
        if self._class(inside) == "V":
            if self._word(place) == "without":
                return self._skip_reason(inside)
            if self._word(place) in ("from", "for", "of"):
                # "from kneeling" names a state left behind
                return self._skip_reason(inside) if self._word(place) in ("from", "for") else inside
            return inside
        if self._class(inside) not in NOUN_PHRASE:
            return inside
        phrase = self._noun_phrase(inside)
        if (
            self._word(place) in ("with", "using")
            and phrase.is_limb
            and phrase.side
            and self._class(phrase.end) in "DSN,X"
        ):
            self._leading_limb = phrase  # "with his left hand a man picks up ..."
        if phrase.is_limb and self._class(phrase.end) == "C" and self._class(phrase.end + 1) in NOUN_PHRASE:
            second = self._noun_phrase(phrase.end + 1)  # "on hands and knees"
            if second.is_limb:
                return second.end
        links = self._links
        if self.clauses and not links & {"while", "before", "after"} and self._class(phrase.end) not in "VQ":
            named = phrase.is_limb or phrase.lemma in ("left", "right", "one")
            if "first" in links and named and not self.clauses[-1].limbs() and not self.clauses[-1].counts:
                self._links = set()  # "kicks, first with the left leg, then with the right"
                return self._consume(self.clauses[-1], place)
            apart = self._names_other_limb(self.clauses[-1], inside) and links & {",", "and"}
            if ("then" in links or apart) and named and self._word(place) in self._limb_prepositions():
                return self._read_ellipsis(place)
            direction = phrase.lemma in lexicon.DIRECTION_NOUNS or phrase.lemma in ("left_side", "right_side")
            if (
                direction
                and self._word(place) in ("to", "towards", "toward")
                and ("then" in links or ("and" in links and self._can_split()) or self._is_other_way(phrase))
            ):
                return self._read_ellipsis(place)
        return phrase.end

    def _is_other_way(self, phrase: NounPhrase) -> bool:
        """Whether a direction is opposite to that of the act before: "steps to the left twice, to the right once"."""
        side = phrase.side or phrase.lemma.removesuffix("_side")
        other = {"left": "right", "right": "left"}.get(side)
        return bool(self._links) and not self._links - {",", "and"} and other in self.clauses[-1].directions

    def _limb_prepositions(self) -> tuple[str, ...]:
        return ("with", "using", "on") if self.clauses[-1].limb_preposition == "on" else ("with", "using")

    def _noun_outside(self, place: int) -> int:
        phrase = self._noun_phrase(place)
        last = self.clauses[-1] if self.clauses else None
        limbs = last.limbs() if last is not None else []
        other = phrase.lemma == "other" or (phrase.lemma == "one" and phrase.side is not None)
        if other and limbs and "then" in self._links:
            # "raises one arm, then the other", "... then the right one"
            meant = NounPhrase(phrase.start, phrase.end, phrase.head, limbs[0].lemma, phrase.side, has_determiner=True)
            return self._read_ellipsis(place, meant)
        if phrase.head < 0:
            numbered = bool(self.clauses) and (self.clauses[-1].has_steps or self.clauses[-1].from_noun)
            joined = self._links and not self._links & {"while", "before", "after"}
            if phrase.number is not None and numbered and joined and self._class(phrase.end) in "IR":
                return self._read_ellipsis_of_number(phrase)
            return phrase.end
        ahead = phrase.end
        while self._class(ahead) == "R" and ahead < self.size:
            ahead += 1
        measures = (
            phrase.lemma in lexicon.STEP_NOUNS
            or phrase.lemma in lexicon.UNITS
            or phrase.lemma in ("while", "moment", "time")
        )
        if measures and "after" in self._links and self.clauses and "." not in self._links:
            self._links.discard("after")  # "walks and after a few steps turns"
            self._links.add("then")
            return phrase.end
        if phrase.lemma in ("time", "repetition", "rep") and phrase.number is not None:
            self._take_outside_count(phrase.number, ahead)
            return phrase.end
        done = self._past_light_passive(ahead)
        if done and self._act_of(phrase):
            return self._read_noun_clause(phrase, self._act_of(phrase), done)  # "two squats are done"
        if self._class(ahead) in "VQZL" and not (measures and "after" in self._links):
            self._subject = phrase
            return phrase.end
        links = self._links
        if not links and phrase.lemma in lexicon.STEP_NOUNS and self.clauses and not self.clauses[-1].counts:
            walking = self.clauses[-1].lemma in lexicon.LOCOMOTION
            if walking and self._take_measure(self.clauses[-1], phrase):
                return phrase.end  # "walking starting with the left leg 2 steps"
        if self._word(phrase.end) in ("later", "apart", "earlier"):
            return phrase.end + 1
        act = self._act_of(phrase)
        if act and phrase.lemma not in lexicon.PERSONS and not (phrase.is_limb and self.clauses):
            allowed = not self.clauses or bool(links)
            strong = (
                phrase.has_determiner
                or phrase.number is not None
                or phrase.side
                or phrase.acting
                or not self.clauses
                or (phrase.plural and self.clauses[-1].from_noun)
            )
            if "after" in links and self.clauses and phrase.lemma in lexicon.STEP_NOUNS and "." not in links:
                return phrase.end
            if allowed and strong and not self._negated:
                return self._read_noun_clause(phrase, act)
        if self.clauses and "then" in links and not links & {"while", "before", "after"}:
            if phrase.is_limb and (phrase.side or phrase.has_determiner):
                return self._read_ellipsis(place, phrase)
            last = self.clauses[-1]
            if phrase.lemma in ("left", "right") and (last.limb is not None or any(p.is_limb for p in last.objects)):
                limb = last.limb or last.objects[0]
                other = NounPhrase(phrase.start, phrase.end, phrase.head, limb.lemma, phrase.lemma, has_determiner=True)
                return self._read_ellipsis(place, other)
            if phrase.lemma == "one" or (phrase.lemma == "" and phrase.number):
                return self._read_ellipsis_of_number(phrase)
        if self.clauses and "and" in links and self._is_other_limb(self.clauses[-1], phrase) and not links - {"and"}:
            after = self._read_ellipsis(place, phrase)
            self.clauses[-1].beside = True
            return after
        if self.clauses and "and" in links and phrase.lemma == "one" and self.clauses[-1].from_noun:
            return self._read_ellipsis_of_number(phrase)
        if phrase.is_limb:
            self._subject = phrase
        if self.clauses and self._class(phrase.end) not in "I":
            links.discard("after")  # "after a short distance": no act
        return phrase.end

    def _read_ellipsis_of_number(self, phrase: NounPhrase) -> int:
        """`one step to the right and then one to the left`."""
        model = self.clauses[-1]
        after = self._read_ellipsis(phrase.start, skip_to=phrase.end if phrase.lemma == "one" else -1)
        if phrase.number is not None and phrase.head < 0:
            self.clauses[-1].counts.append((phrase.number, "step" if self.clauses[-1].has_steps else "act"))
        elif phrase.lemma == "one" and model.counts and not self.clauses[-1].counts:
            # "three kicks with the left leg and one with the right": a number as well, but not after "a kick"
            self.clauses[-1].counts.append((1, model.counts[0][1]))
        return max(after, phrase.end)

    def _past_light_passive(self, place: int) -> int:
        """Gives the place behind "is done" or "are performed", 0 where no such passive stands."""
        start = place
        while self._class(place) in "QR" and place < self.size:
            place += 1
        light = self._class(place) == "V" and self.tokens[place].lemma in lexicon.LIGHT
        return place + 1 if light and place > start and self.tokens[place].form == "ed" else 0

    def _read_noun_clause(self, phrase: NounPhrase, act: str, after: int = -1) -> int:
        """Reads an act that a noun names; what belongs to it goes on at `after`, else behind the noun."""
        start = phrase.start if phrase.has_determiner or phrase.number is None else phrase.number_place
        clause = Clause(act, "noun", start, phrase.head, phrase.end - 1)
        clause.from_noun = True
        clause.named, clause.act_phrase = act, phrase
        self._take_modifiers(clause, phrase)
        if (
            "." not in self._links
            and self.clauses
            and "after" not in self._links
            and clause.lemma in ("walk in circle", "walk in curve")
        ):
            verb = self.clauses[-1].lemma
            if verb in lexicon.LOCOMOTION:
                clause.lemma = verb
        self._open(clause)
        place = self._consume(clause, max(phrase.end, after))
        self._close(clause)
        return place

    def _read_verbless(self) -> None:
        """A caption that lost its verb: the first path, motion noun or direction tells a movement."""
        for place, token in enumerate(self.tokens):
            if token.word_class == "L":
                return
            named = token.word_class == "N" and (
                token.lemma in lexicon.PATHS
                or token.lemma in lexicon.ACT_NOUNS
                or token.lemma in ("movement", "motion", "gesture", "exercise")
            )
            if named or (token.word_class == "R" and lexicon.DIRECTIONS.get(token.word)):
                start = place
                while start and self._class(start - 1) in "AIDMR":
                    start -= 1
                clause = Clause(
                    lexicon.ACT_NOUNS.get(token.lemma, "move") if named else "move", "noun", start, place, place
                )
                if token.lemma in lexicon.PATHS:
                    clause.lemma, clause.path = "move", (token.lemma, ())
                self._open(clause)
                self._consume(clause, start if not named else place + 1)
                clause.end = max(clause.end, place)
                self._close(clause)
                return

    def _open(self, clause: Clause) -> None:
        clause.links = frozenset(self._links)
        before = self.clauses[-1] if self.clauses else None
        both_participles = before is not None and before.was_passive and before.form == clause.form == "ed"
        joined = self._links and not self._links & {"while", "before", "after", "."}
        if both_participles and joined and self._subject is None and not clause.passive:
            # "is raised and then lowered"
            clause.passive = clause.was_passive = True
            if before.objects and not before.passive:
                clause.passive = False
                clause.objects.append(before.objects[0])
        clause.subject = self._subject if self._subject is not None and self._subject.is_limb else None
        if clause.subject is not None and not clause.elliptic:
            clause.start = min(clause.start, clause.subject.start)
        clause.was_passive = clause.was_passive or clause.passive
        moved = clause.subject or (self._subject if self._is_thing(self._subject) else None)
        if clause.passive and moved is not None:
            # "the left arm is raised", "a ball is thrown": the limb or thing is what the act moves
            clause.passive = False
            clause.objects.append(moved)
            clause.subject = None
        self._links = set()

    @staticmethod
    def _is_thing(phrase: NounPhrase | None) -> bool:
        """Whether a noun phrase names a thing, which can't be the body that a caption describes."""
        return phrase is not None and phrase.lemma in _THINGS

    def _close(self, clause: Clause) -> None:
        if self._leading_limb is not None and clause.limb is None:
            clause.limb, clause.limb_preposition = self._leading_limb, "with"
        if self._leading_count is not None and not clause.counts:
            clause.counts.append((self._leading_count, "act"))
        self._leading_limb = self._leading_count = None
        self.clauses.append(clause)
        self._subject = None
        self._reset()

    def _reset(self) -> None:
        self._phrase_start = -1
        self._passive = self._negated = self._auxiliary = self._still = False
