"""Quality of a generator by the kinematic judge, on compositions that are not in its training data."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from atom.corpus.composition import make_motion
from atom.corpus.corpus_shards import draw_events
from atom.errors import AtomError
from atom.events import ACTIONS, TASKS, Composition, Event, assign_split, postures_fit
from atom.generation.generator import Generator
from atom.judging import rubric
from atom.judging.judged_prompt import PlainPrompt
from atom.judging.kinematic_judge import KinematicJudge
from atom.motion.features import features_to_joints, joints_to_features
from atom.prompts.grammar import sample_events
from atom.prompts.wording import caption

Figures = dict[str, Any]


def measure_reconstruction_quality(generator: Generator, clips: int = 300, seed: int = 1) -> Figures:
    """Measures what VQ-VAE codes preserve of new corpus clips.

    Args:
        generator: the generator.
        clips: number of clips.
        seed: seed of the clips.

    Returns:
        `exact_match`, the share of clips in which the judge detects exactly the events after encoding and decoding, and
        `joint_error`, the mean distance of the joints in metres.
    """
    rng, judge = np.random.default_rng([seed, 10]), KinematicJudge()
    exact, errors = [], []
    while len(exact) < clips:
        events = draw_events(rng)
        try:
            features = joints_to_features(make_motion(events, rng).joints)
        except AtomError:
            continue  # longer than the longest clip
        (decoded,) = generator.decode(generator.encode([features]))
        exact.append(rubric.exact(events, judge.detect(decoded)))
        errors.append(np.linalg.norm(decoded - features_to_joints(features), axis=-1).mean())
    return {"clips": clips, "exact_match": _round(np.mean(exact)), "joint_error": _round(np.mean(errors))}


def measure_prompt_quality(
    generator: Generator, prompts: int = 300, temperature: float = 1.0, seed: int = 1
) -> Figures:
    """Measures how well motions match their prompts, one motion per prompt of the validation split.

    Args:
        generator: the generator.
        prompts: number of prompts.
        temperature: sampling temperature.
        seed: seed of the prompts.

    Returns:
        The mean `score` (1 to 5), the share `exact_match` (all events, right counts, right order), and that by task.
    """
    rng, judge = np.random.default_rng([seed, 11]), KinematicJudge()
    cases = []
    for number in range(prompts):
        task = TASKS[number % len(TASKS)]
        events = sample_events(rng, task, "val")
        cases.append((task, events, caption(events, rng, task)[0]))
    samples = generator.sample([text for _, _, text in cases], range(prompts), temperature=temperature)
    exact: dict[str, list[bool]] = {task: [] for task in TASKS}
    scores = []
    for (task, events, text), joints in zip(cases, generator.decode([s.tokens for s in samples]), strict=True):
        judgement = judge.judge(joints, PlainPrompt(text, events, task))
        exact[task].append(judgement.exact)
        scores.append(judgement.score)
    figures = {"prompts": prompts, "temperature": temperature, "score": _round(np.mean(scores))}
    figures["exact_match"] = _round(np.mean([is_exact for task in TASKS for is_exact in exact[task]]))
    return figures | {f"exact_match_{task}": _round(np.mean(matches)) for task, matches in exact.items()}


@torch.inference_mode()
def measure_clause_order(generator: Generator, pairs: int = 100, seed: int = 1) -> Figures:
    """Measures whether the model reads the order of two clauses, or takes the caption for a bag of words.

    The model scores true motions of unseen two-event compositions under their caption and under the caption with its
    two clauses swapped.

    Args:
        generator: the generator.
        pairs: number of motions.
        seed: seed of the motions.

    Returns:
        `distance`, the total variation between the two next-token distributions, mean over the motion (0 for a bag of
        words), and `preferred`, the share of motions that are likelier under their own caption.
    """
    rng = np.random.default_rng([seed, 12])
    distances, preferred = [], []
    for _ in range(pairs):
        events = _draw_swappable_events(rng)
        phrases = [event.phrase for event in caption(events, rng, "temporal")[1]]
        original = f"a person {phrases[0]}, then {phrases[1]}"
        swapped = f"a person {phrases[1]}, then {phrases[0]}"
        (codes,) = generator.encode([joints_to_features(make_motion(events, rng).joints)])
        answer = torch.tensor([generator.motions.answer(codes, generator.tokenizer.eos_token_id)] * 2)
        inputs, mask = generator.encode_prompts([original, swapped])
        logits = generator.language_model(input_ids=inputs, attention_mask=mask, labels=answer.to(inputs.device)).logits
        log_probs = logits.float().log_softmax(-1).cpu()  # (2, L, rows)
        distances.append((log_probs[0].exp() - log_probs[1].exp()).abs().sum(-1).mean().item() / 2)
        own, other = log_probs.gather(2, answer[..., None]).sum((1, 2)).tolist()
        preferred.append(own > other)
    return {"pairs": pairs, "distance": _round(np.mean(distances)), "preferred": _round(np.mean(preferred))}


def _draw_swappable_events(rng: np.random.Generator) -> Composition:
    while True:
        first, second = (Event(str(name)) for name in rng.choice(sorted(ACTIONS), 2, replace=False))
        if postures_fit((first, second)) and postures_fit((second, first)) and assign_split((first, second)) != "train":
            return first, second


def _round(value: float) -> float:
    return round(float(value), 4)
