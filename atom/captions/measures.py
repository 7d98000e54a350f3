"""Numbers of times, steps and laps, angles, distances, durations and paths."""

from atom.captions import lexicon
from atom.captions.clause import Clause, NounPhrase
from atom.captions.noun_phrases import NounPhraseReader


class MeasureReader(NounPhraseReader):
    """Writes the measures that a caption tells into the clause they belong to."""

    def _path_of(self, clause: Clause, phrase: NounPhrase) -> bool:
        """Takes a path as object of locomotion: "walks a quarter circle", "walks a 90 degree turn"."""
        if clause.lemma not in lexicon.LOCOMOTION and clause.lemma not in ("step", "make", "take", "perform", "do"):
            return False
        lemma, modifiers = phrase.lemma, phrase.modifiers
        number = phrase.number
        inner = phrase.of
        if inner is not None and lemma in ("quarter", "half", "part") and inner.lemma in lexicon.PATHS:
            lemma, modifiers = inner.lemma, ("three" if number == 3 else lemma, *inner.modifiers)
            number = None
        elif "quarter" in modifiers or "quarters" in modifiers:
            modifiers = ("three" if number == 3 else "quarter", *modifiers)
            number = None
        if lemma in ("path", "line", "pattern", "motion", "way", "shape", "route", "trajectory"):
            lemma = next((lexicon.PATH_ADJECTIVES[m] for m in modifiers if m in lexicon.PATH_ADJECTIVES), lemma)
        if lemma not in lexicon.PATHS and lemma not in ("figure_eight", "straight_line"):
            return False
        clause.path = (lemma, modifiers)
        if clause.lemma in ("make", "take", "perform", "do"):
            clause.lemma = "walk"
        if phrase.side:
            clause.directions.append(phrase.side)
        if number is not None:
            if number >= 45 or any(m in lexicon.UNITS for m in modifiers):
                clause.degrees = number
            else:
                clause.counts.append((number, "lap"))
        return True

    def _take_measure(self, clause: Clause, phrase: NounPhrase) -> bool:
        """Takes numbers of times, steps, laps, degrees, metres, seconds."""
        lemma = phrase.lemma
        if lemma in lexicon.STEP_NOUNS:
            clause.has_steps = True
            if phrase.number is not None:
                clause.counts.append((phrase.number, "step"))
            if phrase.side:
                clause.directions.append(phrase.side)
            return True
        if lemma in ("time", "repetition", "rep"):
            if phrase.number is not None:
                clause.counts.append((phrase.number, "act"))
            return True
        if lemma in ("lap", "round") and phrase.number is not None:
            clause.counts.append((phrase.number, "lap"))
            return True
        if lemma in ("degree", "degrees", "degress", "deg", "°"):
            clause.degrees = phrase.number
            return True
        if (
            lemma in lexicon.UNITS
            and (phrase.number is not None or any(m in lexicon.VAGUE_NUMBERS for m in phrase.modifiers))
            and lemma not in ("foot", "feet")
        ):
            clause.duration = clause.duration or lemma.startswith(("sec", "min", "hour"))
            return True
        return lemma in ("foot", "feet") and phrase.number is not None and clause.lemma in lexicon.LOCOMOTION

    def _take_times(self, clause: Clause, place: int) -> None:
        """Hands "twice" or "three times" behind a comparison to the act before it."""
        word = self._word(place)
        if word in lexicon.TIMES_ADVERBS and self._class(place) == "R":
            clause.counts.append((lexicon.TIMES_ADVERBS[word], "act"))
            clause.end = place
        elif word in ("time", "times") and self._class(place - 1) == "M":
            number = lexicon.NUMBERS.get(self._word(place - 1))
            if number is None and self._word(place - 1).isdigit():
                number = int(self._word(place - 1))
            if number is not None:
                clause.counts.append((number, "act"))
                clause.end = place
