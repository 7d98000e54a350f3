"""The facts of a report as data: the layout of `report.json`.

`format` is raised when a field changes its meaning or is removed. Scores are 1 to 5, frames are 20 per second and `end`
is exclusive, shares are 0 to 1, seconds are wall time, cost is in US dollars. Unknown values are null.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from atom.events import describe_action
from atom.judging.coverage import JudgeCoverage
from atom.motion.skeleton import FPS

FORMAT = 1


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(_Fact):
    """A figure of two models over `n` prompts, with the 95 % interval of the gain (paired bootstrap over prompts). The
    verdict is better, worse, higher, lower, within noise or too few prompts."""

    base: float
    tuned: float
    gain: float
    gain_low: float | None
    gain_high: float | None
    n: int
    verdict: str


class Baseline(_Fact):
    """A baseline such as best of N: its `figures` have it in the place of the tuned model, and `tuned_over_baseline` is
    the lead of the tuned model over it."""

    name: str
    figures: dict[str, Change]
    tuned_over_baseline: Change


class Share(_Fact):
    """A share of prompts with its 95 % interval."""

    share: float
    low: float
    high: float


class WinRate(_Fact):
    """Shares of the `n` prompts of a task (or "overall") that the tuned model wins, ties and loses against the base."""

    judge: str
    task: str
    n: int
    wins: Share
    ties: Share
    losses: Share


class ScoreCounts(_Fact):
    """How many motions of an arm got each score: `counts` for 1.0, 1.5, ... 5.0, scores rounded to the nearest half."""

    judge: str
    task: str
    arm: str
    counts: list[int]


class Agreement(_Fact):
    """Agreement of two judges on `n` motions: Cohen's kappa on exact match with its 95 % interval, and Spearman's rank
    correlation of the scores."""

    judges: tuple[str, str]
    n: int
    kappa: float | None
    kappa_low: float | None
    kappa_high: float | None
    spearman: float | None


class Evidence(_Fact):
    """An action that the prompt asks for `asked` times (null: not at all) and the judge saw `seen` times, from frame
    `start` to `end`. `phrase` is what the prompt calls it, empty if unknown. Where `uncounted`, the prompt asks for it
    without a number, and `asked` is null. Actions with the same number as `group` are to happen at the same time."""

    action: str
    asked: int | None
    seen: int
    start: int | None
    end: int | None
    countable: bool
    phrase: str = ""
    uncounted: bool = False
    group: int | None = None

    @property
    def is_expected(self) -> bool:
        """Whether the prompt asks for it."""
        return self.uncounted or self.asked is not None

    @property
    def name(self) -> str:
        return describe_action(self.action)

    @property
    def state(self) -> Literal["found", "miscounted", "missing", "not asked"]:
        if not self.is_expected:
            return "not asked"
        if not self.seen:
            return "missing"
        return "miscounted" if self._is_counted and self.seen != self.asked else "found"

    @property
    def description(self) -> str:
        """A phrase such as "asked twice, seen once, 0.4 to 1.2 s (frames 8 to 23)"."""
        times = "" if self.asked is None or not self._is_counted else f" {_count_in_words(self.asked)}"
        asked = f"asked{times}, " if self.is_expected else ""
        if not self.seen or self.start is None or self.end is None:
            return f"{asked}not seen"
        seen = f"seen {_count_in_words(self.seen)}" if self._is_counted else "seen"
        time = f"{self.start / FPS:.1f} to {self.end / FPS:.1f} s (frames {self.start} to {self.end - 1})"
        return f"{asked}{seen}, {time}"

    @property
    def _is_counted(self) -> bool:
        """Whether numbers are compared and shown: not where the action can't be counted or the prompt has no number."""
        return self.countable and not self.uncounted


class ExampleMotion(_Fact):
    """One motion of an example, with the judge's score, its reasons and its evidence."""

    arm: str
    motion_id: str
    frames: int
    score: float | None
    rationale: str
    evidence: list[Evidence]

    @property
    def evidence_by_group(self) -> list[list[Evidence]]:
        """The evidence in order; neighbours that are to happen at the same time are in one list."""
        groups: list[list[Evidence]] = []
        for evidence in self.evidence:
            if groups and evidence.group is not None and groups[-1][-1].group == evidence.group:
                groups[-1].append(evidence)
            else:
                groups.append([evidence])
        return groups


class MotionPair(_Fact):
    """An example: two motions of one prompt, and the difference of their scores."""

    prompt_id: str
    prompt: str
    task: str
    difference: float | None
    sides: tuple[ExampleMotion, ExampleMotion]


class ExampleSet(_Fact):
    """Examples that one rule chose. `rule` states the rule, `difference` names the score difference of each example,
    such as "tuned minus base"."""

    title: str
    rule: str
    difference: str
    examples: list[MotionPair]


class Stage(_Fact):
    """A stage of the run. `seconds` passed in this run; `made_in` (seconds over all shards), `tokens` and `cost` are
    what its artifacts took to compute, in this run or an earlier one."""

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


class CodeVersion(_Fact):
    """The code that computed the artifacts of some stages: git commit (null outside a checkout), whether the checkout
    had uncommitted changes, and the versions of Python and packages. `last` is when it was last used."""

    commit: str | None
    changed: bool
    python: str
    packages: dict[str, str]
    stages: list[str]
    last: str


class Adapter(_Fact):
    """The tuned adapter: its artifact in the store, and the model it belongs to."""

    stage: str
    key: str
    base_model: str


class RunReport(_Fact):
    """Everything in the report of a run.

    `gains` is by judge and figure, from `atom.evaluation.comparison.compare`. `metrics`, `tuning` and `on_policy` are
    rows of the store's tables of these names. `preferences` is the result of `summarise_pairs`. `config` is the whole
    config of the run.
    """

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
    coverage: list[JudgeCoverage] = []
    metrics: list[dict[str, Any]]
    preferences: dict[str, Any] | None
    tuning: list[dict[str, Any]]
    on_policy: list[dict[str, Any]]
    examples: list[ExampleSet]
    stages: list[Stage]
    makers: list[CodeVersion]
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
        """The judge that chose the training pairs; None where external pairs or external models took its place."""
        external = self.config["external"]
        is_external = external["preferences"] or (external["base"] and not external["candidates"])
        return None if is_external else self.config["judging"]["judge"]


def _count_in_words(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
