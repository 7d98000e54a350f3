"""Everything that has to be there before a run starts, and what the run will take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from atom.config import RunConfig
from atom.errors import AtomError
from atom.evaluation.evaluator.loading import load_evaluator
from atom.evaluation.metric_rows import references_from_dataset
from atom.external.motion_set import ExternalMotionSet, read_motion_set
from atom.generation.generator import Generator
from atom.planning.compute_usage import computing
from atom.planning.counts import Counts, count
from atom.planning.estimate import Estimate
from atom.planning.llm_usage import asking, shown
from atom.preferences.importing import import_preferences
from atom.tuning.validation import build_validation

MOTION_BYTES = 120  # a frame in the motions table: 23 KB for 196 frames
CLIP_BYTES = 900  # a frame in the mp4 of 320 x 320 pixels and its share of the sheet
T = TypeVar("T")


@dataclass
class Plan:
    """`found` says what is there, `problems` what keeps the run from starting, each in a line. `estimates` leave out
    what only the missing parts could tell."""

    found: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    estimates: list[Estimate] = field(default_factory=list)


def make_plan(config: RunConfig) -> Plan:
    """Reads whatever the config names, as the run would, and tries the generator on a few prompts."""
    plan = Plan()
    generator = _look(plan, "generator", lambda: _generator(config)) if config.tunes else None
    if generator is not None:
        plan.found.append(("generator", _describe(generator)))
    if config.tunes:
        _look(plan, "validation", lambda: build_validation(config))
    imported = sum(_motions(plan, config, name) for name in ("candidates", "base", "tuned"))
    pairs = _preferences(plan, config, generator)
    captions = _metrics(plan, config)
    counts = count(config, imported, pairs, captions)
    plan.estimates = _look(plan, "estimates", lambda: _estimates(config, counts, generator)) or []
    return plan


def _look(plan: Plan, what: str, look: Callable[[], T]) -> T | None:
    """What `look` finds; an AtomError joins the problems."""
    try:
        return look()
    except AtomError as error:
        plan.problems.append(f"{what}: {error}")
        return None


def _generator(config: RunConfig) -> Generator:
    settings = config.generation
    return Generator.load(settings.checkpoint, device=config.resources.device, template=settings.template)


def _describe(generator: Generator) -> str:
    t5 = generator.language_model.config
    return (
        f"T5 of width {t5.d_model} with {t5.num_layers} + {t5.num_decoder_layers} layers and {t5.vocab_size:,} rows, "
        f"{generator.vqvae.config.codes} codes, prompts as {generator.template.format('TEXT')!r}"
    )


def _motions(plan: Plan, config: RunConfig, name: str) -> int:
    """How many motions an import brings."""
    path = getattr(config.external, name)
    if path is None:
        return 0
    motions: ExternalMotionSet | None = _look(plan, f"external.{name}", lambda: read_motion_set(path))
    if motions is None:
        return 0
    told = f"{len(motions.entries):,} motions, {len(motions.quarantined)} set aside"
    plan.found.append((f"external.{name}", told))
    if name == "candidates" and config.external.tune:
        _look(plan, "external.tune", lambda: check_tokens(motions, path))
    return len(motions.entries)


def check_tokens(motions: ExternalMotionSet, path: str) -> None:
    """AtomError when motions of a set can't be tuned on."""
    if not all(entry.tokens for entry in motions.entries):
        raise AtomError(
            f"motions of {path} have no codebook tokens, which tuning needs: set external.tune=false, export the pairs "
            "with their joints (`atom preferences export --motions`) and tune their own generator"
        )


def _preferences(plan: Plan, config: RunConfig, generator: Generator | None) -> int:
    """How many pairs to tune on an import brings."""
    path = config.external.preferences
    if path is None:
        return 0
    codes = generator.motions.codes if generator else 512
    found = _look(plan, "external.preferences", lambda: import_preferences(path, codes))
    if found is None:
        return 0
    train = sum(row["split"] == "train" for row in found.rows)
    told = f"{train:,} pairs to tune on, {len(found.quarantined)} set aside, {found.skipped} not decided"
    plan.found.append(("external.preferences", told))
    return train


def _metrics(plan: Plan, config: RunConfig) -> int:
    """How many captions of a dataset are measured on."""
    settings = config.evaluation.metrics
    if settings is None:
        return 0
    evaluator = _look(plan, "evaluation.metrics", lambda: load_evaluator(settings, config.resources.device))
    if evaluator is not None:
        plan.found.append(("evaluation.metrics", f"evaluator {evaluator.name}"))
    if settings.dataset is None or not config.tunes:
        return 0
    captions = _look(
        plan, "evaluation.metrics.dataset", lambda: sum(1 for _ in references_from_dataset(settings, config.seed))
    )
    if captions is not None:
        plan.found.append(("evaluation.metrics.dataset", f"{captions:,} captions of the split {settings.split}"))
        if captions == 0:
            plan.problems.append(f"evaluation.metrics.dataset: no usable motion in the split {settings.split}")
    return captions or 0


def _estimates(config: RunConfig, counts: Counts, generator: Generator | None) -> list[Estimate]:
    found = [_made(counts), *asking(config, counts)]
    if generator is not None:
        found += computing(config, counts, generator)
    return [*found, _disk(config, counts)]


def _made(counts: Counts) -> Estimate:
    parts = [f"{counts.prompts:,} prompts"] if counts.prompts else []
    parts.append(f"{counts.stored:,} motions")
    if counts.steps:
        parts.append(f"at most {counts.pairs:,} pairs and {counts.steps:,} steps of tuning")
    return Estimate("what is made", ", ".join(parts), f"{counts.mean_frames:.0f} frames a motion on average")


def _disk(config: RunConfig, counts: Counts) -> Estimate:
    frames = counts.stored * counts.mean_frames
    total, parts = frames * MOTION_BYTES, ["motions"]
    if config.rendering.motions == "all":
        total += frames * CLIP_BYTES * (config.rendering.size / 320) ** 1.5
        parts.append("clips of all")
    if counts.judged:
        total += shown(config).bytes * counts.judged / config.judging.vision.votes
        parts.append("pictures for the judge")
    return Estimate("disk", f"about {total / 1e9:.2f} GB", ", ".join(parts))
