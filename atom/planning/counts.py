"""How much a run makes, computed from its config."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from atom.config import PromptConfig, RunConfig
from atom.prompts.grammar import Prompt, expected_length, write_prompts
from atom.tuning.validation import validation_interval

TYPICAL_PROMPTS = 60  # of each task and split, for the means


@dataclass(frozen=True)
class ExternalCounts:
    """How many external motions a run reads.

    Attributes:
        candidates: those that are paired.
        tested: those of base and tuned.
        open_candidates: candidates whose prompt has an action that the kinematic judge can't see.
        open_tested: the same of base and tuned.
    """

    candidates: int = 0
    tested: int = 0
    open_candidates: int = 0
    open_tested: int = 0


@dataclass(frozen=True)
class RunCounts:
    """How much a run makes.

    Attributes:
        prompts: prompts that are written.
        generated: motions that the run's own generator makes.
        stored: generated and external motions.
        judged: questions to vision-language models about one motion. The judge auto asks about prompts with open
            actions only.
        auto_motions: motions that the judge auto scores.
        auto_open: those among them that it sends to a vision-language model, at most.
        compared: questions to vision-language models about two motions, at most.
        pairs: preference pairs, at most.
        steps: tuning steps, at most.
        mean_frames: mean length of a motion in frames.
    """

    prompts: int
    generated: int
    stored: int
    judged: int
    auto_motions: int
    auto_open: int
    compared: int
    pairs: int
    steps: int
    mean_frames: float


def count_run(
    config: RunConfig,
    external: ExternalCounts = ExternalCounts(),
    external_pairs: int = 0,
    captions: int = 0,
) -> RunCounts:
    """Computes how much a run makes.

    Args:
        config: config of the run.
        external: number of external motions.
        external_pairs: number of external preference pairs.
        captions: number of captions of the dataset for which the metrics generate motions.

    Returns:
        The counts. Which prompts of another writer than the grammar will have open actions is not known before they are
        written: all of them are counted as such.
    """
    prompts, generation, judging = config.prompts, config.generation, config.judging
    train, test = (len(prompts.tasks) * number for number in (prompts.train_per_task, prompts.test_per_task))
    generated = candidates = tested = open_candidates = open_tested = 0
    writes_open_actions = config.prompts.writer != "grammar"
    uses_own_pairs = config.tunes and not config.external.preferences
    uses_own_candidates = uses_own_pairs and not config.external.candidates
    num_adapters = 1 + sum(name in ("sft", "dpo") for name in config.evaluation.baselines)
    pairs = _count_pairs(config, train) if uses_own_pairs else external_pairs
    steps = _count_steps_per_round(config, pairs) if config.tunes else 0
    if uses_own_candidates:
        # All adapters share the motions of the first round, because the base model makes them.
        per_round = train * generation.candidates
        if config.round_prompts == "share":
            per_round /= config.rounds
        candidates = round(per_round * (1 + num_adapters * (config.rounds - 1)))
        generated += candidates
        open_candidates = candidates * writes_open_actions
    elif config.external.candidates:
        candidates, open_candidates = external.candidates, external.open_candidates
    if config.tunes:
        arms = 2 + bool(config.on_policy.steps) + len(config.evaluation.baselines)
        tested = arms * test * generation.evaluation_samples
        open_tested = tested * writes_open_actions
        generated += tested + config.on_policy.steps * config.on_policy.prompts * config.on_policy.num_generations
        if config.evaluation.metrics is not None:
            generated += 2 * captions * config.evaluation.metrics.samples
        generated += config.rounds * num_adapters * _count_validation_motions(config, steps)
        generated += _count_validation_motions(config, config.on_policy.steps)
    elif config.external.base:
        tested, open_tested = external.tested, external.open_tested
    questions_per_motion = judging.vision.votes * (2 if judging.vision.second_model else 1)
    auto_trains, auto_tests = judging.judge == "auto", "auto" in config.evaluation.judges
    auto_open = open_candidates * auto_trains + open_tested * auto_tests
    asked = auto_open + candidates * (judging.judge == "vision") + tested * ("vision" in config.evaluation.judges)
    compares = judging.judge == "vision" or (judging.judge == "auto" and open_candidates > 0)
    compared = 2 * judging.vision.near_ties * train if compares and uses_own_pairs else 0
    return RunCounts(
        prompts=train + test if config.tunes else 0,
        generated=generated,
        stored=generated + external.candidates + external.tested,
        judged=asked * questions_per_motion,
        auto_motions=candidates * auto_trains + tested * auto_tests,
        auto_open=auto_open,
        compared=compared,
        pairs=pairs,
        steps=config.rounds * num_adapters * steps,
        mean_frames=_compute_mean_frames(),
    )


@lru_cache(maxsize=1)
def typical_prompts() -> list[Prompt]:
    """Prompts of the grammar, as a sample for those of any run."""
    return write_prompts(PromptConfig(train_per_task=TYPICAL_PROMPTS, test_per_task=TYPICAL_PROMPTS), 0)


def _compute_mean_frames() -> float:
    prompts = typical_prompts()
    return sum(expected_length(prompt.events) for prompt in prompts) / len(prompts)


def _count_pairs(config: RunConfig, train: int) -> int:
    settings = config.preferences
    pairs = train * settings.pairs_per_prompt * (config.rounds if config.round_prompts == "all" else 1)
    limit = config.rounds * len(config.prompts.tasks) * settings.pairs_per_task
    return min(pairs, limit) if limit else pairs


def _count_steps_per_round(config: RunConfig, pairs: int) -> int:
    steps = config.tuning.num_train_epochs * math.ceil(pairs / config.rounds / config.tuning.batch_size)
    if config.tuning.max_steps:
        steps = min(steps, config.tuning.max_steps) if steps else config.tuning.max_steps
    return steps


def _count_validation_motions(config: RunConfig, steps: int) -> int:
    """Motions that validation makes while one adapter is tuned, if early stopping does not end the tuning."""
    validations = 1 + math.ceil(steps / validation_interval(config.validation.eval_steps, steps)) if steps else 0
    return validations * len(config.prompts.tasks) * config.validation.prompts_per_task
