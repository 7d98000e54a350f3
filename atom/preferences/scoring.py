"""Scores of motions in memory, as `build_pairs` takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from atom.config import GenerationConfig
from atom.errors import AtomError
from atom.external.motion_generator import derive_sample_seed
from atom.generation.generator import Generator
from atom.judging.judges import Judge
from atom.preferences.pairs import ScoredMotion
from atom.prompts.grammar import Prompt


def score_motion(
    judge: Judge,
    prompt: Prompt,
    joints: np.ndarray,
    motion_id: str,
    *,
    tokens: Sequence[int] = (),
    stop_reason: Literal["end", "length", "empty"] = "end",
) -> ScoredMotion:
    """Scores a motion by how well it fits its prompt.

    Args:
        judge: scores joints.
        prompt: what the motion should show.
        joints: (T, 22, 3) in metres, Y up, 20 fps. A motion without frames scores 1.
        motion_id: names the motion in pairs.
        tokens: its codes, one for every four frames; none for a generator without a codebook.
        stop_reason: "end" if the model ended the motion itself. Others are in no pair.

    Returns:
        The motion with its score.

    Raises:
        AtomError: the judge can't judge motions of this prompt, or the joints are no motion.
    """
    if obstacle := judge.find_obstacle(prompt):
        raise AtomError(f"{prompt.text[:80]!r} has no score: {obstacle}; use another judge or leave the prompt out")
    judgement = judge.judge(joints, prompt) if len(joints) else None
    return ScoredMotion(
        motion_id=motion_id,
        prompt_id=prompt.prompt_id,
        text=prompt.text,
        task=prompt.task,
        split=prompt.split,
        tokens=tuple(tokens),
        stop_reason=stop_reason,
        score=judgement.score if judgement else 1.0,
        exact=bool(judgement and judgement.exact),
        frames=len(joints),
    )


def score_samples(
    generator: Generator, judge: Judge, prompts: Sequence[Prompt], config: GenerationConfig, seed: int = 0
) -> list[ScoredMotion]:
    """Samples candidates for prompts and scores them.

    Args:
        generator: samples and decodes the motions.
        judge: scores joints.
        prompts: `config.candidates` motions are sampled for each.
        config: how motions are sampled; its checkpoint and template don't apply to a loaded generator.
        seed: decides the seed of each motion, together with prompt and sample.

    Returns:
        The scored motions, prompt by prompt.

    Raises:
        AtomError: the judge can't judge motions of a prompt.
    """
    requests = [(prompt, sample) for prompt in prompts for sample in range(config.candidates)]
    seeds = [derive_sample_seed(seed, prompt.prompt_id, sample) for prompt, sample in requests]
    samples = generator.sample([prompt.text for prompt, _ in requests], seeds, **config.sampling)
    motions = generator.decode([sample.tokens for sample in samples])
    return [
        score_motion(
            judge,
            prompt,
            joints,
            f"{prompt.prompt_id}-{number}",
            tokens=sample.tokens,
            stop_reason=sample.stop_reason,
        )
        for (prompt, number), sample, joints in zip(requests, samples, motions, strict=True)
    ]
