"""What follows a verb: objects, adverbs, prepositional phrases and parts joined by "and"."""

from atom.captions import lexicon
from atom.captions.clause import Clause, NounPhrase
from atom.captions.noun_phrases import NOUN_PHRASE
from atom.captions.prepositions import PrepositionReader


class ComplementReader(PrepositionReader):
    """Reads on from a verb until something else begins."""

    def _consume(self, clause: Clause, place: int) -> int:
        """Reads objects, limbs, directions and numbers until something else begins; sets the end of the phrase."""
        while place < self.size:
            token = self.tokens[place]
            letter = token.word_class
            if letter == "R":
                place = self._take_adverb(clause, place)
                continue
            if letter == "I":
                after = self._take_preposition(clause, place)
                if after == place:
                    return place
                place = after
                continue
            if letter in NOUN_PHRASE:
                after = self._take_noun(clause, place)
                if after == place:
                    return place
                place = after
                continue
            if letter == "X" and token.word in lexicon.OBJECT_PRONOUNS and self._class(place + 1) not in "VQ":
                if token.word.endswith(("self", "selves")):
                    clause.reflexive = True
                clause.objects.append(NounPhrase(place, place + 1, place, token.word))
                clause.end = place
                place += 1
                continue
            if letter == "V" and token.word == "facing":
                after = self._take_facing(clause, place)
                if after > place:
                    place = after
                    continue
            if letter == "," and self._class(place + 1) in "MD":
                after = self._take_trailing_times(clause, place + 1)
                if after > place + 1:
                    place = after
                    continue
            if letter == "C":
                after = self._take_coordination(clause, place)
                if after == place:
                    return place
                place = after
                continue
            if letter == "," and self._class(place + 1) == "I" and self._word(place + 1) in ("with", "using", "by"):
                if self._names_other_limb(clause, place + 2):
                    return place
                after = self._take_preposition(clause, place + 1)
                if after > place + 1:
                    place = after
                    continue
            if letter == "F":
                after = self._take_steps_after(clause, place)
                if after > place:
                    place = after
                    continue
            if letter == "O" and token.word == "first" and self._class(place + 1) in "IR" and not clause.objects:
                place += 1  # "turns first to the left"
                continue
            return place
        return place

    def _take_adverb(self, clause: Clause, place: int) -> int:
        word = self.tokens[place].word
        if word in lexicon.TIMES_ADVERBS:
            clause.counts.append((lexicon.TIMES_ADVERBS[word], "act"))
            clause.end = place
            return place + 1
        direction = lexicon.DIRECTIONS.get(word)
        if direction is not None:
            if (
                direction in ("left", "right")
                and self._class(place + 1) == "R"
                and self._word(place + 1) in ("behind", "away", "above", "below", "up", "back", "at", "there", "where")
            ):
                return place + 1  # "right back", "right where he started"
            if direction == "right" and self._word(place + 1) in ("before", "after", "next_to", "in_front_of", "where"):
                return place + 1
            manner = word == "straight" and lexicon.DIRECTIONS.get(self._word(place + 1))  # "jumps straight up"
            if direction and not manner:
                clause.directions.append(direction)
                clause.end = place
            return place + 1
        clause.adverbs.append(word)
        if word == "a_bit" and clause.end == place - 1 and self._class(place + 1) in ".,COIW":
            clause.end = place
        if (
            word == "again"
            and clause.end >= place - 2
            and all(self._class(k) == "R" for k in range(clause.end + 1, place))
        ):
            clause.end = place
        return place + 1

    def _names_other_limb(self, clause: Clause, place: int) -> bool:
        """Whether a noun phrase at `place` names a limb of another side than the clause uses."""
        if clause.limb is None or not clause.limb.side or self._class(place) not in NOUN_PHRASE:
            return False
        phrase = self._noun_phrase(place)
        side = phrase.side or (phrase.lemma if phrase.lemma in ("left", "right") else None)
        return (
            side is not None
            and side != clause.limb.side
            and (phrase.is_limb or phrase.lemma in ("left", "right", "one"))
        )

    def _take_facing(self, clause: Clause, place: int) -> int:
        """`stops facing to the right`: the direction belongs to the stop."""
        if clause.lemma in lexicon.STOPS and self.tokens[place].word == "facing":
            after = place + 1
            while self._class(after) in "RI" and after < self.size:
                if self._class(after) == "R":
                    after = self._take_adverb(clause, after)
                else:
                    after = max(self._take_preposition(clause, after), after + 1)
            return after
        return place

    def _take_noun(self, clause: Clause, place: int) -> int:
        phrase = self._noun_phrase(place)
        following = self._class(phrase.end)
        finite = following == "V" and self.tokens[phrase.end].form in ("s", "base")
        if (finite or (following == "Q" and self._word(phrase.end) != "being")) and not (
            finite and self._needs_object(clause, phrase)
        ):
            return place  # the noun is the subject of the next clause
        if phrase.lemma in ("later", "long", "apart"):
            return phrase.end
        if (
            self._class(phrase.end) in "RO"
            and self._word(phrase.end) in ("later", "before", "earlier")
            and phrase.lemma in lexicon.COUNT_UNITS | lexicon.UNITS
        ):
            return phrase.end + 1
        if self._take_measure(clause, phrase):
            clause.end = phrase.end - 1
            return phrase.end
        if phrase.lemma in ("left_side", "right_side"):
            clause.directions.append(phrase.lemma.split("_")[0])
            clause.end = phrase.end - 1
            return phrase.end
        if phrase.lemma in ("left", "right", "back", "front", "side", "sides") and phrase.head == phrase.start:
            clause.directions.append(lexicon.DIRECTION_NOUNS[phrase.lemma])
            clause.end = phrase.end - 1
            return phrase.end
        if self.tokens[place].word_class == "A" and phrase.head < 0:
            return phrase.end  # an adjective alone: "stands still", "bent"
        if clause.objects and not phrase.is_limb and not phrase.has_determiner and phrase.lemma in lexicon.PERSONS:
            return place
        if (
            phrase.lemma in lexicon.PERSONS
            and clause.lemma in lexicon.LOCOMOTION | lexicon.STOPS
            and phrase.has_determiner
        ):
            return place  # a sentence that lost its full stop
        if self._path_of(clause, phrase):
            clause.end = phrase.end - 1
            return phrase.end
        if self._is_new_act(clause, phrase):
            return place
        clause.objects.append(phrase)
        clause.end = phrase.end - 1
        return phrase.end

    def _needs_object(self, clause: Clause, phrase: NounPhrase) -> bool:
        """Whether a limb before a finite verb is the object of this clause: "raises his arm turns around"."""
        bare = not clause.objects and not clause.prepositions and clause.lemma not in lexicon.LOCOMOTION
        return bare and phrase.is_limb and self._class(phrase.start) == "S"

    def _take_trailing_times(self, clause: Clause, place: int) -> int:
        """`hops on one leg, 4 times`: the number behind the comma still belongs to the act."""
        phrase = self._noun_phrase(place)
        if phrase.lemma in ("time", "repetition", "rep") and self._take_measure(clause, phrase):
            if phrase.number is not None:
                clause.end = phrase.end - 1
            return phrase.end
        return place

    def _is_new_act(self, clause: Clause, phrase: NounPhrase) -> bool:
        return (
            bool(clause.objects or clause.directions)
            and phrase.lemma in lexicon.ACT_NOUNS
            and phrase.number is not None
        )

    def _take_steps_after(self, clause: Clause, place: int) -> int:
        """`gets pushed after 2 steps`: the number of steps belongs to the walking before."""
        if self._class(place + 1) not in "DM":
            return place
        phrase = self._noun_phrase(place + 1)
        if phrase.lemma not in lexicon.STEP_NOUNS or self._class(phrase.end) in "VQ":
            return place
        for earlier in [clause, *reversed(self.clauses)]:
            if earlier.lemma in lexicon.LOCOMOTION and not earlier.counts:
                if phrase.number is not None:
                    earlier.counts.append((phrase.number, "step"))
                    earlier.has_steps = True
                break
        return phrase.end

    def _take_coordination(self, clause: Clause, place: int) -> int:
        """Decides on "and": a further part of this act ("arms and legs", "left and right") or something new."""
        inside = place + 1
        letter = self._class(inside)
        if letter in "VQTOWBFX.,CZL":
            return place
        ahead = inside
        while self._class(ahead) == "R" and ahead < self.size:
            ahead += 1
        if self._class(ahead) in "VQ":
            return place
        if letter == "R":
            if self._word(inside) not in lexicon.DIRECTIONS or self._word(place) not in ("and", "or", "&"):
                return place
            if self._splits(clause):
                return place
            clause.directions.append(lexicon.DIRECTIONS[self._word(inside)])
            clause.end = inside
            return inside + 1
        if letter == "I":
            return (
                place
                if self._splits(clause) and not self._refines(clause)
                else self._coordinated_preposition(clause, inside)
            )
        if letter not in NOUN_PHRASE:
            return place
        phrase = self._noun_phrase(inside)
        ahead = phrase.end
        while self._class(ahead) == "R" and ahead < self.size:
            ahead += 1
        # In "lying on hands and knees stands up" the verb's subject is the person.
        both_limbs = not clause.finite and phrase.is_limb and self._class(inside - 2) == "N"
        if self._class(ahead) in "VQ" and not both_limbs:
            return place
        named = self._act_of(phrase)
        if (named and (phrase.has_determiner or phrase.number is not None)) or phrase.lemma in lexicon.PERSONS:
            return place
        if self._is_other_limb(clause, phrase):
            return place
        if named and clause.from_noun and named != clause.lemma and phrase.lemma in lexicon.ACT_NOUNS:
            return place  # "performs kicks and punches"
        if named and clause.from_noun and not phrase.side:
            clause.end = phrase.end - 1
            return phrase.end
        if phrase.head < 0 or not (clause.objects or clause.prepositions or clause.limb or clause.pivot):
            return place if not phrase.is_limb else self._extend(clause, phrase)
        return self._extend(clause, phrase)

    @staticmethod
    def _is_other_limb(clause: Clause, phrase: NounPhrase) -> bool:
        """One verb with limbs on different sides is two acts: "raises his left arm and right leg"."""
        if not (phrase.is_limb and phrase.side and clause.objects and clause.objects[0].is_limb):
            return False
        first = clause.objects[0]
        return first.side is not None and first.side != phrase.side and not clause.passive

    def _extend(self, clause: Clause, phrase: NounPhrase) -> int:
        if clause.end >= phrase.start - 2:
            clause.end = phrase.end - 1
        if clause.objects and clause.objects[-1].is_limb and phrase.is_limb:
            last = clause.objects[-1]
            if last.side and phrase.side and last.side != phrase.side:
                last.side = None
            last.modifiers = (*last.modifiers, "&" + phrase.lemma)
        elif clause.limb is not None and phrase.side and clause.limb.side != phrase.side:
            clause.limb.side = None
        return phrase.end

    def _coordinated_preposition(self, clause: Clause, place: int) -> int:
        after = self._take_preposition(clause, place)
        return max(after, place + 1)

    @staticmethod
    def _splits(clause: Clause) -> bool:
        """Acts whose directions are acts of their own: "a step left and back"."""
        return clause.lemma in ("step", "sidestep", "lunge") and bool(clause.directions)

    @staticmethod
    def _refines(clause: Clause) -> bool:
        return any(d in ("diagonally",) for d in clause.directions)
