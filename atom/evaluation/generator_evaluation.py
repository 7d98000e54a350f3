"""The evaluation of generators in memory: motions sampled for prompts, scored and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from atom.config import GenerationConfig
from atom.errors import AtomError
from atom.evaluation.comparison import BASE, TUNED, compare
from atom.evaluation.diversity import motion_descriptor
from atom.external.motion_generator import derive_sample_seed
from atom.generation.generator import Generator
from atom.judging.judges import Judge
from atom.motion.physics import foot_skate, mean_jerk
from atom.prompts.grammar import Prompt, known_length

_MIN_FRAMES = 5  # of a motion whose physics is measured


def evaluate(
    generator: Generator,
    prompts: Sequence[Prompt],
    judges: Mapping[str, Judge],
    config: GenerationConfig,
    *,
    arm: str,
    seed: int = 0,
) -> pd.DataFrame:
    """Samples motions for prompts, scores them by each judge and measures them.

    Args:
        generator: samples and decodes the motions.
        prompts: `config.evaluation_samples` motions are sampled for each.
        judges: by the names that the rows carry.
        config: how motions are sampled; its checkpoint and template don't apply to a loaded generator.
        arm: the name of the generator in the comparison: "base", "tuned", or that of a baseline.
        seed: decides the seed of each motion, together with prompt and sample. Two generators with the same seed differ
            only where their weights do.

    Returns:
        A row for each motion and judge, with the columns that `compare` takes. `score` is missing where the judge can't
        judge motions of the prompt, and 1 for a motion without frames.
    """
    requests = [(prompt, sample) for prompt in prompts for sample in range(config.evaluation_samples)]
    seeds = [derive_sample_seed(seed, prompt.prompt_id, sample) for prompt, sample in requests]
    samples = generator.sample([prompt.text for prompt, _ in requests], seeds, **config.sampling)
    motions = generator.decode([sample.tokens for sample in samples])
    rows = []
    for (prompt, sample), joints in zip(requests, motions, strict=True):
        columns = {
            "prompt_id": prompt.prompt_id,
            "task": prompt.task,
            "events": len(prompt.events),
            "arm": arm,
            "sample": sample,
            "frames": len(joints),
            "true_frames": known_length(prompt.events),
            **measure_motion(joints),
        }
        rows += [columns | {"judge": name} | _judge(judge, joints, prompt) for name, judge in judges.items()]
    return pd.DataFrame(rows)


def compare_generators(
    base: Generator,
    tuned: Generator,
    prompts: Sequence[Prompt],
    judges: Mapping[str, Judge],
    config: GenerationConfig,
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> dict[str, Any]:
    """Compares two generators on the same prompts and seeds.

    Args:
        base: the generator before tuning.
        tuned: the generator after it.
        prompts: prompts that tuning has not seen.
        judges: by name. The judge that gave the rewards should not stand alone.
        config: how motions are sampled.
        seed: of the motions and of the bootstrap.
        resamples: of the paired bootstrap over prompts.

    Returns:
        The figures of `compare`, judge by judge; `tabulate_gains` makes a table of them.

    Raises:
        AtomError: no judge can judge motions of any prompt.
    """
    arms = ((BASE, base), (TUNED, tuned))
    rows = [evaluate(generator, prompts, judges, config, arm=arm, seed=seed) for arm, generator in arms]
    figures = compare(pd.concat(rows), resamples=resamples, seed=seed)
    if not figures:
        raise AtomError(
            f"none of the judges {', '.join(judges)} can judge a motion of these prompts: give another judge"
        )
    return figures


def measure_motion(joints: np.ndarray) -> dict[str, Any]:
    """Measures a motion for the guards of a comparison.

    Args:
        joints: (T, 22, 3) in metres, Y up, 20 fps.

    Returns:
        `foot_skate` (m/s), `jerk` (m/s^3) and `descriptor` (360,), each None where the motion is too short for it or no
        foot stands.
    """
    if len(joints) < _MIN_FRAMES:
        return {"foot_skate": None, "jerk": None, "descriptor": None}
    skate = float(foot_skate(joints))
    return {
        "foot_skate": skate if np.isfinite(skate) else None,
        "jerk": float(mean_jerk(joints)),
        "descriptor": motion_descriptor(joints),
    }


def _judge(judge: Judge, joints: np.ndarray, prompt: Prompt) -> dict[str, Any]:
    if judge.find_obstacle(prompt):
        return {"score": None, "exact": None}
    if not len(joints):
        return {"score": 1.0, "exact": False}
    judgement = judge.judge(joints, prompt)
    return {"score": judgement.score, "exact": judgement.exact}
