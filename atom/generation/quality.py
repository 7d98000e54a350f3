"""How good a generator is, by the kinematic judge, on compositions that its training never saw."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from atom.corpus.composition import make_motion
from atom.corpus.dataset import draw_events
from atom.errors import AtomError
from atom.events import ACTIONS, TASKS, Composition, Event, postures_fit, assign_split
from atom.generation.generator import Generator
from atom.judging import rubric
from atom.judging.kinematic_judge import KinematicJudge
from atom.motion.features import features_to_joints, joints_to_features
from atom.prompts.grammar import sample_events
from atom.prompts.wording import caption

Figures = dict[str, Any]


def reconstruction_quality(generator: Generator, clips: int = 300, seed: int = 1) -> Figures:
    """What the codes keep: `exact_match`, the share of fresh corpus clips in which the judge still sees exactly the
    events after encoding and decoding, and `joint_error`, the mean distance of the joints in metres."""
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
    return {"clips": clips, "exact_match": _rounded(np.mean(exact)), "joint_error": _rounded(np.mean(errors))}


def prompt_quality(generator: Generator, prompts: int = 300, temperature: float = 1.0, seed: int = 1) -> Figures:
    """Mean `score` (1 to 5), `exact_match` (all events, right counts, right order) and exact match by task, one motion
    a prompt, on compositions of the validation split."""
    rng, judge = np.random.default_rng([seed, 11]), KinematicJudge()
    asked = []
    for number in range(prompts):
        task = TASKS[number % len(TASKS)]
        events = sample_events(rng, task, "val")
        asked.append((task, events, caption(events, rng, task)[0]))
    samples = generator.sample([text for _, _, text in asked], range(prompts), temperature=temperature)
    exact: dict[str, list[bool]] = {task: [] for task in TASKS}
    scores = []
    for (task, events, _), joints in zip(asked, generator.decode([s.tokens for s in samples]), strict=True):
        judgement = judge.judge(joints, events, task)
        exact[task].append(judgement.exact)
        scores.append(judgement.score)
    figures = {"prompts": prompts, "temperature": temperature, "score": _rounded(np.mean(scores))}
    figures["exact_match"] = _rounded(np.mean([found for task in TASKS for found in exact[task]]))
    return figures | {f"exact_match_{task}": _rounded(np.mean(found)) for task, found in exact.items()}


@torch.inference_mode()
def swap_test(generator: Generator, pairs: int = 100, seed: int = 1) -> Figures:
    """Whether the model reads the order of two clauses or takes them for a bag of words.

    True motions of unseen two-event compositions are put to the model under their caption and under the caption with
    the two clauses changed. `distance`: total variation between the two next-token distributions, mean over the
    motion; a bag of words has 0. `preferred`: share of motions that are likelier under their own caption.
    """
    rng = np.random.default_rng([seed, 12])
    distances, preferred = [], []
    for _ in range(pairs):
        events = _two_events_in_either_order(rng)
        worded = caption(events, rng, "temporal")[1]
        told = f"a person {worded[0].phrase}, then {worded[1].phrase}"
        turned = f"a person {worded[1].phrase}, then {worded[0].phrase}"
        (codes,) = generator.encode([joints_to_features(make_motion(events, rng).joints)])
        answer = torch.tensor([generator.motions.answer(codes, generator.tokenizer.eos_token_id)] * 2)
        inputs, mask = generator.encode_prompts([told, turned])
        logits = generator.language_model(input_ids=inputs, attention_mask=mask, labels=answer.to(inputs.device)).logits
        chances = logits.float().log_softmax(-1).cpu()  # (2, L, rows)
        distances.append((chances[0].exp() - chances[1].exp()).abs().sum(-1).mean().item() / 2)
        own, other = chances.gather(2, answer[..., None]).sum((1, 2)).tolist()
        preferred.append(own > other)
    return {"pairs": pairs, "distance": _rounded(np.mean(distances)), "preferred": _rounded(np.mean(preferred))}


def _two_events_in_either_order(rng: np.random.Generator) -> Composition:
    while True:
        first, second = (Event(str(name)) for name in rng.choice(sorted(ACTIONS), 2, replace=False))
        if postures_fit((first, second)) and postures_fit((second, first)) and assign_split((first, second)) != "train":
            return first, second


def _rounded(value: float) -> float:
    return round(float(value), 4)
