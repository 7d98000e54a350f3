"""How much a run will make, counted from its config."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from atom.config import PromptConfig, RunConfig
from atom.prompts.grammar import Prompt, expected_length, write_prompts
from atom.tuning.validation import validation_interval

SAMPLED_PROMPTS = 60  # of each task and split, from which means are taken


@dataclass(frozen=True)
class Counts:
    """`generated` motions are made here; `stored` are these and those of elsewhere. `pairs` and `steps` are at most so
    many. `judged` are questions about one motion to vision-language models, `compared` those about two."""

    prompts: int
    generated: int
    stored: int
    judged: int
    compared: int
    pairs: int
    steps: int
    mean_frames: float


def count(config: RunConfig, imported: int = 0, imported_pairs: int = 0, captions: int = 0) -> Counts:
    """What a run of this config makes. `imported` motions or pairs come from elsewhere; motions are made for so many
    `captions` of a dataset."""
    prompts, generation, judging = config.prompts, config.generation, config.judging
    train, test = (len(prompts.tasks) * number for number in (prompts.train_per_task, prompts.test_per_task))
    generated = candidates = tested = 0
    trained_here = config.tunes and not config.external.preferences
    own_candidates = trained_here and not config.external.candidates
    tunings = 1 + sum(name in ("sft", "dpo") for name in config.evaluation.baselines)
    pairs = _pairs(config, train) if trained_here else imported_pairs
    steps = _steps_a_round(config, pairs) if config.tunes else 0
    if own_candidates:
        # Further tunings share the first round, whose motions the base makes.
        a_round = train * generation.candidates
        if config.round_prompts == "share":
            a_round /= config.rounds
        candidates = round(a_round * (1 + tunings * (config.rounds - 1)))
        generated += candidates
    elif config.external.candidates:
        candidates = imported
    if config.tunes:
        arms = 2 + bool(config.on_policy.steps) + len(config.evaluation.baselines)
        tested = arms * test * generation.evaluation_samples
        generated += tested + config.on_policy.steps * config.on_policy.prompts * config.on_policy.num_generations
        if config.evaluation.metrics is not None:
            generated += 2 * captions * config.evaluation.metrics.samples
        generated += config.rounds * tunings * _validated(config, steps) + _validated(config, config.on_policy.steps)
    elif config.external.base:
        tested = imported
    opinions = judging.vision.votes * (2 if judging.vision.second_model else 1)
    judged = candidates * opinions if judging.judge == "vision" else 0
    judged += tested * opinions if "vision" in config.evaluation.judges else 0
    compared = 2 * judging.vision.near_ties * train if judging.judge == "vision" and trained_here else 0
    return Counts(
        prompts=train + test if config.tunes else 0,
        generated=generated,
        stored=generated + imported,
        judged=judged,
        compared=compared,
        pairs=pairs,
        steps=config.rounds * tunings * steps,
        mean_frames=_mean_frames(),
    )


@lru_cache(maxsize=1)
def typical_prompts() -> list[Prompt]:
    """Prompts of the grammar, which stand for those of a run."""
    return write_prompts(PromptConfig(train_per_task=SAMPLED_PROMPTS, test_per_task=SAMPLED_PROMPTS), 0)


def _mean_frames() -> float:
    prompts = typical_prompts()
    return sum(expected_length(prompt.events) for prompt in prompts) / len(prompts)


def _pairs(config: RunConfig, train: int) -> int:
    settings = config.preferences
    pairs = train * settings.pairs_per_prompt * (config.rounds if config.round_prompts == "all" else 1)
    most = config.rounds * len(config.prompts.tasks) * settings.pairs_per_task
    return min(pairs, most) if most else pairs


def _steps_a_round(config: RunConfig, pairs: int) -> int:
    steps = config.tuning.num_train_epochs * math.ceil(pairs / config.rounds / config.tuning.batch_size)
    if config.tuning.max_steps:
        steps = min(steps, config.tuning.max_steps) if steps else config.tuning.max_steps
    return steps


def _validated(config: RunConfig, steps: int) -> int:
    """Motions made in validation while one adapter is tuned, if it goes on to its end."""
    measured = 1 + math.ceil(steps / validation_interval(config.validation.eval_steps, steps)) if steps else 0
    return measured * len(config.prompts.tasks) * config.validation.prompts_per_task
