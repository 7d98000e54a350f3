"""The plan of a run: what its config names, what keeps it from starting, and what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from atom.config import RunConfig
from atom.errors import AtomError
from atom.evaluation.evaluator.loading import load_evaluator
from atom.evaluation.metric_rows import references_from_dataset
from atom.external.motion_set import ExternalMotionSet, derive_prompts, read_motion_set
from atom.generation.generator import Generator
from atom.judging.judgement import find_open_actions
from atom.judging.judges import load_retrieval
from atom.planning.compute_usage import estimate_compute
from atom.planning.counts import ExternalCounts, RunCounts, count_run
from atom.planning.estimate import Estimate
from atom.planning.llm_usage import estimate_llm_usage, measure_question
from atom.preferences.importing import import_preferences
from atom.tuning.validation import build_validation

MOTION_BYTES = 120  # of a frame in the motions table: 23 KB for 196 frames
CLIP_BYTES = 900  # of a frame in a video of 320 x 320 pixels, with its part of the contact sheet
T = TypeVar("T")


@dataclass
class Plan:
    """The result of checking a config before a run.

    Attributes:
        found: (config key, description) of each input that is usable.
        problems: one line for each thing that keeps the run from starting.
        estimates: what the run needs, without the estimates that depend on missing inputs.
    """

    found: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    estimates: list[Estimate] = field(default_factory=list)


def make_plan(config: RunConfig) -> Plan:
    """Reads all inputs that the config names, as the run would, and tries the generator on a few prompts."""
    plan = Plan()
    generator = _try(plan, "generator", lambda: _load_generator(config)) if config.tunes else None
    if generator is not None:
        plan.found.append(("generator", _describe_generator(generator)))
    if config.tunes:
        _try(plan, "validation", lambda: build_validation(config))
    external = _check_external(plan, config)
    pairs = _check_preferences(plan, config, generator)
    captions = _check_metrics(plan, config)
    _check_retrieval(plan, config)
    counts = count_run(config, external, pairs, captions)
    plan.estimates = _try(plan, "estimates", lambda: _make_estimates(config, counts, generator)) or []
    return plan


def _try(plan: Plan, name: str, load: Callable[[], T]) -> T | None:
    """Returns the result of `load`. An AtomError becomes a problem of the plan."""
    try:
        return load()
    except AtomError as error:
        plan.problems.append(f"{name}: {error}")
        return None


def _load_generator(config: RunConfig) -> Generator:
    settings = config.generation
    return Generator.load(settings.checkpoint, device=config.resources.device, template=settings.template)


def _describe_generator(generator: Generator) -> str:
    t5 = generator.language_model.config
    return (
        f"T5 of width {t5.d_model} with {t5.num_layers} + {t5.num_decoder_layers} layers and {t5.vocab_size:,} rows, "
        f"{generator.vqvae.config.codes} codes, prompts as {generator.template.format('TEXT')!r}"
    )


def _check_external(plan: Plan, config: RunConfig) -> ExternalCounts:
    candidates, open_candidates = _check_motions(plan, config, "candidates")
    base, tuned = (_check_motions(plan, config, name) for name in ("base", "tuned"))
    return ExternalCounts(candidates, base[0] + tuned[0], open_candidates, base[1] + tuned[1])


def _check_motions(plan: Plan, config: RunConfig, name: str) -> tuple[int, int]:
    """Number of external motions under one config key, and of those whose prompt has an open action."""
    path = getattr(config.external, name)
    if path is None:
        return 0, 0
    motions: ExternalMotionSet | None = _try(plan, f"external.{name}", lambda: read_motion_set(path))
    if motions is None:
        return 0, 0
    prompts, _ = derive_prompts(motions, "train" if name == "candidates" else "test")
    known = {prompt.prompt_id: not find_open_actions(prompt.events) for prompt in prompts}
    judged = [known[entry.prompt_id] for entry in motions.entries if entry.prompt_id in known]
    description = f"{len(motions.entries):,} motions, {len(motions.quarantined)} set aside"
    if open_motions := judged.count(False):
        description += f"; {open_motions:,} of prompts with actions that the kinematic judge can't see"
    plan.found.append((f"external.{name}", description))
    if name == "candidates" and config.external.tune:
        _try(plan, "external.tune", lambda: check_has_tokens(motions, path))
    return len(judged), open_motions


def check_has_tokens(motions: ExternalMotionSet, path: str) -> None:
    """Checks that a set of external motions can be tuned on.

    Args:
        motions: the motions.
        path: where they come from.

    Raises:
        AtomError: a motion has no codebook tokens.
    """
    if not all(entry.tokens for entry in motions.entries):
        raise AtomError(
            f"motions of {path} have no codebook tokens, which tuning needs: set external.tune=false, export the pairs "
            "with their joints (`atom preferences export --motions`) and tune their own generator"
        )


def _check_preferences(plan: Plan, config: RunConfig, generator: Generator | None) -> int:
    """Number of external preference pairs in the train split."""
    path = config.external.preferences
    if path is None:
        return 0
    codes = generator.motions.codes if generator else 512
    preferences = _try(plan, "external.preferences", lambda: import_preferences(path, codes))
    if preferences is None:
        return 0
    train = sum(row["split"] == "train" for row in preferences.rows)
    description = (
        f"{train:,} pairs to tune on, {len(preferences.quarantined)} set aside, {preferences.skipped} not decided"
    )
    plan.found.append(("external.preferences", description))
    return train


def _check_metrics(plan: Plan, config: RunConfig) -> int:
    """Number of captions in the dataset on which the metrics are computed."""
    settings = config.evaluation.metrics
    if settings is None:
        return 0
    evaluator = _try(plan, "evaluation.metrics", lambda: load_evaluator(settings, config.resources.device))
    if evaluator is not None:
        plan.found.append(("evaluation.metrics", f"evaluator {evaluator.name}"))
    if settings.dataset is None or not config.tunes:
        return 0
    captions = _try(
        plan, "evaluation.metrics.dataset", lambda: sum(1 for _ in references_from_dataset(settings, config.seed))
    )
    if captions is not None:
        plan.found.append(("evaluation.metrics.dataset", f"{captions:,} captions of the split {settings.split}"))
        if captions == 0:
            plan.problems.append(f"evaluation.metrics.dataset: no usable motion in the split {settings.split}")
    return captions or 0


def _check_retrieval(plan: Plan, config: RunConfig) -> None:
    if "retrieval" not in config.judges:
        return
    judge = _try(plan, "judging.retrieval", lambda: load_retrieval(config))
    if judge is not None:
        description = f"evaluator {judge.evaluator.name}; a distance of {judge.anchors.near:.2f} scores 5, "
        plan.found.append(("judging.retrieval", f"{description}{judge.anchors.far:.2f} scores 1"))


def _make_estimates(config: RunConfig, counts: RunCounts, generator: Generator | None) -> list[Estimate]:
    found = [_describe_size(counts), *_describe_auto(counts), *estimate_llm_usage(config, counts)]
    if generator is not None:
        found += estimate_compute(config, counts, generator)
    return [*found, _estimate_disk(config, counts)]


def _describe_size(counts: RunCounts) -> Estimate:
    parts = [f"{counts.prompts:,} prompts"] if counts.prompts else []
    parts.append(f"{counts.stored:,} motions")
    if counts.steps:
        parts.append(f"at most {counts.pairs:,} pairs and {counts.steps:,} tuning steps")
    return Estimate("size of the run", ", ".join(parts), f"{counts.mean_frames:.0f} frames a motion on average")


def _describe_auto(counts: RunCounts) -> list[Estimate]:
    """The shares of the judge auto; none for a run without it."""
    if not counts.auto_motions:
        return []
    by_joints = counts.auto_motions - counts.auto_open
    return [
        Estimate(
            "judge auto",
            f"{by_joints:,} motions by the kinematic judge, {counts.auto_open:,} by vision",
            "prompts with an action that the kinematic judge can't see go to vision; before a language model or a "
            "dataset has given the prompts, all count as such",
        )
    ]


def _estimate_disk(config: RunConfig, counts: RunCounts) -> Estimate:
    frames = counts.stored * counts.mean_frames
    total, parts = frames * MOTION_BYTES, ["motions"]
    if config.rendering.motions == "all":
        total += frames * CLIP_BYTES * (config.rendering.size / 320) ** 1.5
        parts.append("clips of all")
    if counts.judged:
        total += measure_question(config).bytes * counts.judged / config.judging.vision.votes
        parts.append("pictures for the judge")
    return Estimate("disk", f"about {total / 1e9:.2f} GB", ", ".join(parts))
