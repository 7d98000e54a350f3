"""What the readers hand on: noun phrases and clauses, as places in the list of tokens."""

from dataclasses import dataclass, field

from atom.captions import lexicon


@dataclass(slots=True)
class NounPhrase:
    """A noun with what stands before it, as places in the list of tokens; `end` is exclusive."""

    start: int
    end: int
    head: int
    lemma: str
    side: str | None = None
    number: int | None = None
    number_place: int = -1
    has_determiner: bool = False
    modifiers: tuple[str, ...] = ()
    acting: str = ""  # lemma of an -ing modifier: "a wiping motion"
    of: "NounPhrase | None" = None
    plural: bool = False

    @property
    def is_limb(self) -> bool:
        """Whether the noun is a part of the body."""
        return self.lemma in lexicon.BODY_PARTS


@dataclass(slots=True)
class Clause:
    """One act as the caption tells it."""

    lemma: str
    form: str
    start: int
    head: int
    end: int  # last token of the phrase
    links: frozenset[str] = frozenset()
    passive: bool = False
    hung: bool = False  # a participle on another verb, without "and"
    from_noun: bool = False  # named by a noun: "a kick"
    elliptic: bool = False  # takes its verb from the clause before
    subject: NounPhrase | None = None
    objects: list[NounPhrase] = field(default_factory=list)
    prepositions: list[tuple[str, NounPhrase]] = field(default_factory=list)
    directions: list[str] = field(default_factory=list)
    adverbs: list[str] = field(default_factory=list)
    limb: NounPhrase | None = None  # the limb used
    limb_preposition: str = ""
    pivot: NounPhrase | None = None
    path: tuple[str, tuple[str, ...]] | None = None  # noun of the path and its modifiers
    origin: str | None = None  # pushed from there
    counts: list[tuple[int, str]] = field(default_factory=list)  # number and unit
    has_steps: bool = False
    degrees: int | None = None
    duration: bool = False
    named: str = ""  # full action where the words name it: "do handstand"
    act_phrase: NounPhrase | None = None  # the noun phrase that names the act
    reflexive: bool = False
    was_passive: bool = False  # passive in the text, also where the limb moved is its subject
    finite: bool = True  # has a subject of its own: an auxiliary or a finite form
    beside: bool = False  # happens with the clause before it

    def limbs(self) -> list[NounPhrase]:
        """Gives the limbs that the clause names as used, as subject or as object."""
        named = [self.limb, self.subject, *self.objects]
        return [phrase for phrase in named if phrase is not None and phrase.lemma in lexicon.LIMBS]
