"""The act that a verb names, alone or by its complement: "does two squats", "uses the leg to kick"."""

from atom.captions import lexicon, morphology
from atom.captions.clause import Clause, NounPhrase
from atom.captions.lexicon import word_set
from atom.captions.measures import MeasureReader
from atom.captions.noun_phrases import NOUN_PHRASE

# Verbs that are light before some nouns: "throws a punch", "gets a push".
_MAY_BE_LIGHT = word_set("start continue get go come turn throw land") | lexicon.DELIVERS
_TAKES_NOUN = lexicon.LIGHT | _MAY_BE_LIGHT | {"repeat", "receive"}


class VerbGroupReader(MeasureReader):
    """Finds which act a verb and its complement name."""

    def _skip_reason(self, place: int) -> int:
        while place < self.size and self._class(place) not in ".,OCWBF":
            place += 1
        return place

    def _complete_verb_group(self, clause: Clause, place: int) -> int:
        """Reads what belongs to the verb itself: the act that a light verb takes, "uses X to V", "stops walking"."""
        lemma = clause.lemma
        if lemma == "stop" and self._class(place) == "V" and self.tokens[place].form == "ing":
            clause.end = place
            return place + 1
        if lemma in ("stop", "pause", "halt") and self._class(place) == "T":
            return place
        if lemma == "use":
            return self._complete_use(clause, place)
        if lemma in _TAKES_NOUN:
            return self._complete_light(clause, place)
        return place

    def _complete_use(self, clause: Clause, place: int) -> int:
        while self._class(place) == "R":
            place += 1
        if self._class(place) not in NOUN_PHRASE:
            return place
        phrase = self._noun_phrase(place)
        place = phrase.end
        clause.end = place - 1
        ahead = place
        if self._class(ahead) == "T" and self._class(ahead + 1) == "V":
            verb = self.tokens[ahead + 1]
            clause.lemma, clause.head, clause.end = verb.lemma, ahead + 1, ahead + 1
            if phrase.is_limb:
                clause.limb = phrase
            else:
                clause.prepositions.append(("with", phrase))
            return ahead + 2
        clause.objects.append(phrase)
        return place

    def _complete_light(self, clause: Clause, place: int) -> int:
        start = place
        if clause.lemma == "come" and self._class(place) == "T" and self.tokens[place + 1].lemma in lexicon.RESTS:
            clause.lemma, clause.end = "stop", place + 1  # "comes to rest"
            return place + 2
        if clause.lemma in ("carry", "let", "pull"):  # "lets out a kick", "carries out two squats"
            if self._word(place) in ("out", "off"):
                place += 1
            elif clause.lemma != "carry":
                return start
        while self._class(place) in "RO" and self._word(place) not in lexicon.DIRECTIONS and place < self.size:
            place += 1
        directed = self._word(place) in lexicon.DIRECTION_ADJECTIVES and self._class(place + 1) in "AMN"
        if self._class(place) not in NOUN_PHRASE and not directed:  # "takes backward steps"
            return start
        phrase = self._noun_phrase(place)
        if phrase.lemma == "time" and phrase.number and self._class(phrase.end) in NOUN_PHRASE:
            clause.counts.append((phrase.number, "act"))
            phrase = self._noun_phrase(phrase.end)
        if self._name_by_noun(clause, phrase):
            return phrase.end
        model = self.clauses[-1] if self.clauses else None
        if (
            phrase.head < 0
            and phrase.number
            and clause.lemma in lexicon.LIGHT
            and model is not None
            and model.from_noun
        ):
            # "does two squats, then does three more"
            clause.lemma, clause.named, clause.from_noun, clause.end = model.lemma, model.named, True, phrase.end - 1
            clause.counts.append((phrase.number, "act"))
            return phrase.end
        if clause.lemma in _MAY_BE_LIGHT:
            return start
        place = phrase.end
        if phrase.lemma in lexicon.MOTION_NOUNS | lexicon.COLLECTIONS:
            named = self._name_by_complement(clause, place)
            if named:
                clause.objects.clear()
                return named
        return start

    def _name_by_noun(self, clause: Clause, phrase: NounPhrase) -> bool:
        """Takes the act from a noun phrase: "two squats", "a wiping motion", "a left turn"."""
        lemma = phrase.lemma
        inner = phrase.of
        if inner is not None and lemma in lexicon.COLLECTIONS:
            inner.number = inner.number or phrase.number
            phrase, lemma = inner, inner.lemma
        light = clause.lemma
        if not self._may_take(light, lemma):
            return False
        clause.passive = clause.passive or light in ("get", "receive")
        if light == "complete" and lemma in ("round", "lap", "circle"):
            clause.from_noun, clause.lemma, clause.end = True, "walk in circle", phrase.end - 1
            if phrase.number is not None:
                clause.counts.append((phrase.number, "lap"))
            return True
        named = self._act_of(phrase)
        if not named:
            return False
        if lemma in lexicon.STEP_NOUNS and phrase.of is not None and phrase.of.lemma in lexicon.ACT_NOUNS:
            named = self._act_of(phrase.of) or named
        clause.from_noun = True
        clause.named = named if " " in named or named in lexicon.ACT_NOUNS.values() else ""
        clause.lemma = named
        clause.end = phrase.end - 1
        clause.act_phrase = phrase
        self._take_modifiers(clause, phrase)
        return True

    @staticmethod
    def _may_take(light: str, lemma: str) -> bool:
        """Whether the noun names the act of this verb: "throws punches" is punching, "throws a kick pad" isn't."""
        if light in ("get", "receive"):
            return lemma in lexicon.PUSHES
        if light in ("throw", "land"):
            return lemma in lexicon.BLOWS
        if light == "turn":
            return lexicon.ACT_NOUNS.get(lemma, "").startswith("do ")
        if light in ("go", "come"):
            return lemma in lexicon.STEP_NOUNS
        return light not in {"give", *lexicon.DELIVERS} or lemma in lexicon.ACT_NOUNS

    def _act_of(self, phrase: NounPhrase) -> str:
        lemma = phrase.lemma
        if lemma in lexicon.MOTION_NOUNS or lemma in ("fight", "sequence"):
            if phrase.acting:
                return phrase.acting
            for modifier in reversed(phrase.modifiers):
                if modifier in lexicon.ACT_NOUNS and modifier not in ("step",):
                    return lexicon.ACT_NOUNS[modifier]
                if modifier in ("evasive", "evading"):
                    return "dodge"
                if modifier in ("circular",):
                    return "move in circle"
            if "same" in phrase.modifiers:
                return "repeat motion"
            if phrase.of is not None:
                played = [m for m in (*phrase.of.modifiers, phrase.of.lemma) if m in lexicon.INSTRUMENTS]
                if played:
                    return f"play {played[0]}"
            return ""
        if lemma == "dance" or lemma in lexicon.DANCES:
            return "dance"
        if lemma in ("step", "dance") and any(modifier in lexicon.DANCES for modifier in phrase.modifiers):
            return "dance"
        if lemma == "step" and phrase.of is not None and phrase.of.lemma in lexicon.DANCES | {"dance"}:
            return "dance"
        if lemma == "step" and ("side" in phrase.modifiers or "sideways" in phrase.modifiers):
            return "sidestep"
        if lemma in lexicon.ACT_NOUNS:
            return lexicon.ACT_NOUNS[lemma]
        token = self.tokens[phrase.head]
        if token.word.endswith("ing") and token.word in morphology.VERB_FORMS:
            return morphology.VERB_FORMS[token.word][0]
        return ""

    def _take_modifiers(self, clause: Clause, phrase: NounPhrase) -> None:
        """Side, number, angle and path that a noun of an act carries before it."""
        lemma = phrase.lemma
        if phrase.side:
            clause.directions.append(phrase.side)
        elif phrase.of is not None and phrase.of.side and not phrase.of.is_limb:
            clause.directions.append(phrase.of.side)
        for modifier in phrase.modifiers:
            if modifier in lexicon.DIRECTION_ADJECTIVES:
                clause.directions.append(lexicon.DIRECTION_ADJECTIVES[modifier])
        unit_degree = any(modifier in lexicon.DEGREES for modifier in phrase.modifiers)
        if phrase.of is not None and phrase.of.lemma in lexicon.DEGREES:
            clause.degrees = phrase.of.number
        if phrase.number is not None:
            if unit_degree or phrase.number >= 45:
                clause.degrees = phrase.number
            else:
                clause.counts.append((phrase.number, "step" if lemma in lexicon.STEP_NOUNS else "act"))
        if lemma in lexicon.STEP_NOUNS and clause.lemma in ("step", "sidestep"):
            clause.has_steps = True
        if lemma in ("circle", "semicircle", "curve", "arc"):
            clause.path = (lemma, phrase.modifiers)
        if lemma in ("turn", "rotation", "spin") and ("half" in phrase.modifiers or "u" in phrase.modifiers):
            clause.degrees = 180

    def _name_by_complement(self, clause: Clause, place: int) -> int:
        """Names an empty act by its complement: "makes a motion like wiping", "the movement of throwing"."""
        ahead = place
        if self._word(ahead) in ("which", "that") and self._word(ahead + 1) in (
            "resembles",
            "resemble",
            "looks",
            "is",
            "imitates",
        ):
            ahead += 2
            if self._class(ahead) == "V":
                ahead -= 1
        if self._word(ahead) in (
            "resembles",
            "resemble",
            "imitates",
            "of",
            "like",
            "as_if",
            "as_though",
            "as",
            "similar_to",
            "resembling",
            "imitating",
        ):
            ahead += 1
            limit = ahead + 6
            while ahead < min(self.size, limit) and self._class(ahead) not in ".,V":
                ahead += 1
            if self._class(ahead) == "V" and self.tokens[ahead].lemma not in ("be",):
                if self.tokens[ahead].lemma in lexicon.EMPTY | lexicon.LIGHT and self._class(ahead + 1) != "V":
                    return 0
                clause.lemma = self.tokens[ahead].lemma
                clause.end = ahead
                return ahead + 1
        elif self._class(ahead) == "T" and self._class(ahead + 1) == "V":
            clause.lemma = self.tokens[ahead + 1].lemma
            clause.end = ahead + 1
            return ahead + 2
        return 0
