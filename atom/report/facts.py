"""What a report says, as data: the layout of `report.json`.

`format` is raised when a field changes its meaning or goes. Scores are 1 to 5, frames are 20 a second and end before
`end`, shares are 0 to 1, seconds are wall time, cost is in US dollars; what is not known is null.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from atom.motion.skeleton import FPS

FORMAT = 1


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(_Fact):
    """A figure of two models over `n` prompts, the 95 % interval of its gain (paired bootstrap over prompts), and
    better, worse, higher, lower, within noise or too few prompts."""

    base: float
    tuned: float
    gain: float
    gain_low: float | None
    gain_high: float | None
    n: int
    verdict: str


class Baseline(_Fact):
    """The base's plainer way `name` in the place of the tuned model, and how far the tuned model is ahead of it."""

    name: str
    figures: dict[str, Change]
    tuned_over_baseline: Change


class Share(_Fact):
    """A share of prompts with its 95 % interval."""

    share: float
    low: float
    high: float


class WinRate(_Fact):
    """Shares of `n` prompts of a task (or "overall") that the tuned model wins, ties and loses against the base."""

    judge: str
    task: str
    n: int
    wins: Share
    ties: Share
    losses: Share


class ScoreCounts(_Fact):
    """How many motions of an arm got each score: `counts` for 1.0, 1.5 to 5.0, rounded to the nearest half."""

    judge: str
    task: str
    arm: str
    counts: list[int]


class Agreement(_Fact):
    """Of two judges on `n` motions: Cohen's kappa on exact match with its interval, Spearman's rank correlation."""

    judges: tuple[str, str]
    n: int
    kappa: float | None
    kappa_low: float | None
    kappa_high: float | None
    spearman: float | None


class Evidence(_Fact):
    """An action that was asked, seen or both: `asked` times (null: not at all), `seen` times, from `start` to `end`."""

    action: str
    asked: int | None
    seen: int
    start: int | None
    end: int | None
    countable: bool

    @property
    def state(self) -> Literal["found", "miscounted", "missing", "not asked"]:
        if self.asked is None:
            return "not asked"
        if not self.seen:
            return "missing"
        return "miscounted" if self.countable and self.seen != self.asked else "found"

    @property
    def in_words(self) -> str:
        """What was asked and seen, and when, such as "asked twice, seen once, 0.4 to 1.2 s (frames 8 to 23)"."""
        asked = "" if self.asked is None else f"asked {_times(self.asked)}, " if self.countable else "asked, "
        if not self.seen or self.start is None or self.end is None:
            return f"{asked}not seen"
        seen = f"seen {_times(self.seen)}" if self.countable else "seen"
        when = f"{self.start / FPS:.1f} to {self.end / FPS:.1f} s (frames {self.start} to {self.end - 1})"
        return f"{asked}{seen}, {when}"


class Side(_Fact):
    """One motion of an example, and what the judge said of it."""

    arm: str
    motion_id: str
    frames: int
    score: float | None
    rationale: str
    evidence: list[Evidence]


class Example(_Fact):
    """Two motions of one prompt, and the difference of their scores."""

    prompt_id: str
    prompt: str
    task: str
    difference: float | None
    sides: tuple[Side, Side]


class ExampleSet(_Fact):
    """Examples that one rule chose; `rule` says in words how, `difference` which score is taken from which."""

    title: str
    rule: str
    difference: str
    examples: list[Example]


class Stage(_Fact):
    """What a stage did in the run (`seconds`), and what its artifacts took when they were made, then or earlier
    (`made_in` seconds over all shards, `tokens`, `cost`)."""

    name: str
    shards: int
    reused: int
    failed: int
    rows: int
    quarantined: int
    seconds: float
    made_in: float
    tokens: int
    cost: float | None
    keys: list[str]


class Maker(_Fact):
    """The code that made the artifacts of some stages: git commit (null outside a checkout), whether the checkout held
    changes of its own, and versions."""

    commit: str | None
    changed: bool
    python: str
    packages: dict[str, str]
    stages: list[str]
    last: str


class Adapter(_Fact):
    """The tuned adapter: where in the store it lies, and the model it belongs to."""

    stage: str
    key: str
    base_model: str


class RunReport(_Fact):
    """All that the report of a run says. `gains` is by judge and figure, as `atom.evaluation.comparison.compare` tells
    them; `metrics`, `tuning` and `on_policy` are rows of the store's tables of that kind, `preferences` is
    `summarise_pairs`; `config` is the whole of the run's."""

    format: Literal[1] = FORMAT
    run_id: str
    created_at: str
    state: str
    until: str | None
    seconds: float | None
    summary: list[str]
    gains: dict[str, dict[str, Change]]
    win_rates: list[WinRate]
    scores: list[ScoreCounts]
    baselines: dict[str, list[Baseline]]
    agreement: list[Agreement]
    metrics: list[dict[str, Any]]
    preferences: dict[str, Any] | None
    tuning: list[dict[str, Any]]
    on_policy: list[dict[str, Any]]
    examples: list[ExampleSet]
    stages: list[Stage]
    makers: list[Maker]
    adapter: Adapter | None
    config: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.config["name"])

    @property
    def judge(self) -> str | None:
        """The first judge of the evaluation."""
        return next(iter(self.gains), None)

    @property
    def training_judge(self) -> str | None:
        """The judge that had a part in the tuning; None where other people's pairs or models took its place."""
        imported = self.config["external"]
        elsewhere = imported["preferences"] or (imported["base"] and not imported["candidates"])
        return None if elsewhere else self.config["judging"]["judge"]


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
