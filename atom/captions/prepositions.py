"""Prepositional phrases: directions, origins, limbs used, paths, places, means."""

from atom.captions import lexicon
from atom.captions.clause import Clause, NounPhrase
from atom.captions.lexicon import word_set
from atom.captions.noun_phrases import NOUN_PHRASE
from atom.captions.verb_groups import VerbGroupReader

_DIRECTION_PREPOSITIONS = word_set("to towards toward from away_from on by into at over for")
_PATH_PREPOSITIONS = word_set("in into around along through")
_MEASURE_PREPOSITIONS = word_set("in with for by after over within on at around about")
_PIVOT_PREPOSITIONS = word_set("on over around with by using in at about")
_LIMB_PREPOSITIONS = word_set("with using by via through")
_REASON_PREPOSITIONS = word_set("due_to because_of without during against per according_to")
# Phrases with these tell manner or place, unless the verb needs them.
_LOOSE_PREPOSITIONS = word_set("with for by like near beside opposite of")
_POSTURE_ADVERBS = word_set("up down out apart together straight forward forwards upwards downwards sideways high low")
_ENTERED = lexicon.ACT_NOUNS.keys() - lexicon.PATHS - lexicon.RESTS - lexicon.STEP_NOUNS
_ENTERS = word_set("go get drop duck sink lower move come break settle burst bend ease dip crouch step")
_ORIGINS = word_set("behind above below beneath between front")


class PrepositionReader(VerbGroupReader):
    """Writes what a prepositional phrase tells into its clause, and decides whether it is part of the phrase."""

    def _take_preposition(self, clause: Clause, place: int) -> int:
        preposition = self.tokens[place].word
        inside = place + 1
        while self._class(inside) in "RO" and self._word(inside) not in ("left", "right", "back"):
            inside += 1
        letter, word = self._class(inside), self._word(inside)
        if letter == "V":
            return self._take_gerund(clause, preposition, inside)
        if letter == "I":
            if preposition in ("from", "to", "by", "in") and word in _ORIGINS:
                clause.origin = word if preposition == "from" else clause.origin
                clause.end = inside
                return inside + 1
            return inside
        if letter == "R" and word in lexicon.DIRECTIONS:
            self._set_direction(clause, preposition, lexicon.DIRECTIONS[word])
            clause.end = inside
            return inside + 1
        if letter == "X":
            clause.end = inside if preposition != "with" else clause.end
            return inside + 1
        if letter not in NOUN_PHRASE:
            if preposition in ("behind", "inside", "outside"):
                clause.end = place
            return place + 1 if letter in ".,C" else inside
        phrase = self._noun_phrase(inside)
        if self._class(phrase.end) == "V" and self.tokens[phrase.end].form == "s" and preposition == "behind":
            return inside
        return self._take_phrase(clause, preposition, phrase)

    def _take_gerund(self, clause: Clause, preposition: str, inside: int) -> int:
        """`by jumping` names the means; `without falling` is nothing; other gerunds begin a clause."""
        verb = self.tokens[inside]
        if preposition == "by" and verb.form == "ing":
            clause.end = inside
            if clause.lemma not in lexicon.OUTCOMES | {"move"}:
                return inside + 1
            kept = ("left", "right", "forward", "backward", "sideways")
            clause.directions = [d for d in clause.directions if d in kept]
            clause.lemma, clause.head, clause.from_noun, clause.named = verb.lemma, inside, False, ""
            clause.objects.clear()
            return self._complete_verb_group(clause, inside + 1)
        if preposition == "without" or (preposition in ("with", "for", "in", "from") and verb.form == "ing"):
            return self._skip_reason(inside)
        if preposition == "of" and clause.objects and clause.lemma in lexicon.LIGHT:
            clause.lemma, clause.end = verb.lemma, inside
            clause.objects.clear()
            return inside + 1
        return inside

    def _take_phrase(self, clause: Clause, preposition: str, phrase: NounPhrase) -> int:
        end = phrase.end
        if preposition == "with" and clause.lemma in lexicon.OUTCOMES and self._name_by_noun(clause, phrase):
            return end
        entered = preposition == "into" and clause.lemma in _ENTERS
        moved = preposition in ("with", "in") and clause.lemma in ("move", "go", "advance")
        if (entered or moved) and self._enter(clause, phrase):
            return end
        self._rename(clause, preposition, phrase.lemma)
        phrase = self._limb_behind(clause, preposition, phrase)
        end_before = clause.end
        if self._belongs(clause, preposition, phrase):
            clause.end = end - 1
        after_posture = self._skip_absolute(clause, preposition, phrase, end)
        if after_posture > end:
            clause.end = end_before  # a posture is no part of the event's phrase
        return after_posture

    def _enter(self, clause: Clause, phrase: NounPhrase) -> bool:
        """Takes the act that "drops into a squat", "breaks into a run" and "moves on with two hops" name."""
        if (
            phrase.lemma not in _ENTERED
            or not (phrase.has_determiner or phrase.number)
            or clause.passive
            or phrase.is_limb
        ):
            return False
        clause.lemma, clause.named, clause.from_noun, clause.act_phrase = self._act_of(phrase), "", True, phrase
        clause.end = phrase.end - 1
        clause.objects.clear()
        self._take_modifiers(clause, phrase)
        return True

    @staticmethod
    def _rename(clause: Clause, preposition: str, lemma: str) -> None:
        """Takes the act from the phrase where the verb is empty: "moves backwards in a walk", "comes to a stop"."""
        if preposition == "in" and clause.lemma in ("move", "go") and lemma in ("walk", "run", "jog", "march", "crawl"):
            clause.lemma = lemma
        elif preposition == "to" and clause.lemma in ("come", "get") and lemma in lexicon.RESTS:
            clause.lemma = "stop"
        elif preposition == "with" and lemma == "limp" and clause.lemma in ("walk", "go", "move", "run"):
            clause.lemma = "limp"

    def _limb_behind(self, clause: Clause, preposition: str, phrase: NounPhrase) -> NounPhrase:
        """Gives the limb in "with the help of his left arm" and "with the left", else the phrase itself."""
        lemma, inner = phrase.lemma, phrase.of
        if preposition in ("with", "using", "on") and (lemma in ("left", "right") or (lemma == "one" and phrase.side)):
            last = next((limb for c in [clause, *reversed(self.clauses[-2:])] for limb in c.limbs()), None)
            if last is None and preposition == "on":
                return phrase
            noun = last.lemma if last is not None else "hand"
            side = phrase.side or lemma
            return NounPhrase(phrase.start, phrase.end, phrase.head, noun, side, has_determiner=True)
        if lemma in lexicon.SUPPORTS and inner is not None and inner.is_limb:
            return inner
        return phrase

    def _belongs(self, clause: Clause, preposition: str, phrase: NounPhrase) -> bool:
        """Writes a phrase into the clause; says whether its words are part of the event's phrase."""
        lemma, inner = phrase.lemma, phrase.of
        if lemma in ("side", "sides", "direction", "way", "diagonal") and phrase.side and preposition != "with":
            self._set_direction(clause, preposition, phrase.side)
            return True
        if lemma in ("left_side", "right_side"):
            self._set_direction(clause, preposition, lemma.split("_")[0])
            return True
        if (
            lemma in lexicon.DIRECTION_NOUNS
            and preposition in _DIRECTION_PREPOSITIONS
            and not (inner is not None and preposition in ("on", "at"))
        ):
            self._set_direction(clause, preposition, phrase.side or lexicon.DIRECTION_NOUNS[lemma])
            return preposition != "for"
        if lemma == "direction":
            for modifier in phrase.modifiers:
                if lexicon.DIRECTIONS.get(modifier):
                    self._set_direction(clause, "to", lexicon.DIRECTIONS[modifier])
            return inner is not None or bool(phrase.modifiers)
        if lemma == "right_angle" or (preposition in _PATH_PREPOSITIONS and self._path_of(clause, phrase)):
            return True
        has_steps = clause.has_steps
        if preposition in _MEASURE_PREPOSITIONS and self._take_measure(clause, phrase):
            if preposition == "for" and lemma in ("time", "second", "minute"):
                clause.duration = True
            if preposition in ("in", "with", "at") and phrase.number is None:
                clause.has_steps = has_steps  # "with wide steps": manner
                return False
            return True
        if preposition == "for" and lemma in ("moment", "while", "second", "time"):
            clause.duration = True
            return True
        if phrase.is_limb:
            return self._take_limb(clause, preposition, phrase)
        return self._belongs_as_place(clause, preposition, phrase)

    @staticmethod
    def _belongs_as_place(clause: Clause, preposition: str, phrase: NounPhrase) -> bool:
        lemma = phrase.lemma
        if lemma in lexicon.STYLE_NOUNS or preposition in _REASON_PREPOSITIONS:
            if phrase.acting and clause.lemma in lexicon.LIGHT | {"move", "use"}:
                clause.lemma = phrase.acting
            return preposition == "against" and clause.lemma in ("lean", "push", "press")
        needs = clause.lemma in lexicon.TAKES_ANY_PREPOSITION
        if preposition == "at" and lemma != "something" and not needs:
            return False
        clause.prepositions.append((preposition, phrase))
        if preposition == "from" and clause.passive:
            return True
        if lemma in lexicon.MOTION_NOUNS:
            if any(m in ("circular", "circle", "rotating") for m in phrase.modifiers):
                clause.path = ("circle", phrase.modifiers)
            return bool(phrase.modifiers)
        if preposition == "with" and phrase.acting and clause.lemma in lexicon.LIGHT:
            clause.lemma = phrase.acting
        return needs or (preposition not in _LOOSE_PREPOSITIONS and preposition != "at")

    def _skip_absolute(self, clause: Clause, preposition: str, phrase: NounPhrase, place: int) -> int:
        """Passes "extended forward" in "with his arms extended forward", and "swinging" in "with arms swinging"."""
        if preposition not in ("with", "having") or not phrase.is_limb:
            return place
        if self._class(place) == "C" and self._class(place + 1) in "SAN":
            second = self._noun_phrase(place + 1)
            if second.is_limb and self._class(second.end) not in "VQ":
                place = second.end
        letter = self._class(place)
        participle = letter == "V" and self.tokens[place].form in ("ing", "ed") and not phrase.side
        if letter == "A" or participle or self._word(place) == "being":
            clause.limb = None if clause.limb is phrase else clause.limb
            place += 1
            while self._class(place) in "RIDSANQ":
                place = self._noun_phrase(place).end if self._class(place) in NOUN_PHRASE else place + 1
        elif letter == "R" and self._word(place) in _POSTURE_ADVERBS and phrase.plural:
            # "with his arms up": a posture
            clause.limb = None if clause.limb is phrase else clause.limb
            while self._class(place) in "RIDSAN" and self._word(place) != "again":
                place = self._noun_phrase(place).end if self._class(place) in NOUN_PHRASE else place + 1
        return place

    @staticmethod
    def _set_direction(clause: Clause, preposition: str, direction: str) -> None:
        if preposition in ("from", "away_from"):
            clause.origin = direction
        else:
            clause.directions.append(direction)

    @staticmethod
    def _take_limb(clause: Clause, preposition: str, phrase: NounPhrase) -> bool:
        if clause.lemma.split()[0] in lexicon.TURNS and preposition in _PIVOT_PREPOSITIONS:
            clause.pivot = phrase  # the foot turned upon is no direction
        elif preposition in _LIMB_PREPOSITIONS or (preposition in ("on", "onto") and clause.lemma in lexicon.ON_LIMB):
            if clause.limb is None:
                clause.limb = phrase
                clause.limb_preposition = "with" if preposition in _LIMB_PREPOSITIONS else "on"
        else:
            clause.prepositions.append((preposition, phrase))
        return True
