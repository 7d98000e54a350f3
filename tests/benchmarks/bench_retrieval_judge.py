"""How far the retrieval judge agrees with the kinematic judge on the built-in domain, and what it confuses.

    python tests/benchmarks/bench_retrieval_judge.py [--prompts 300] [--anchors] [--json]

Clips are made by the procedural corpus for held-out prompts, four a prompt of different quality, as for `atom judge
calibrate`. Agreement is that of the scores of both judges. For each kind of error, the judge scores a motion that does
what the text says and one with a single error of that kind: it is right where the first scores higher.

`--anchors` measures the anchors of the built-in evaluator again, as `atom pretrain-evaluator` does, and fails where
they are not those in its training.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import torch
from measuring import Figure, tell

from atom.config import RunConfig
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.evaluation.agreement import pair_accuracy, spearman, weighted_kappa
from atom.evaluation.evaluator.small_evaluator import load_small_evaluator
from atom.evaluation.evaluator.small_evaluator_training import (
    SmallEvaluatorTrainingConfig,
    change_count,
    drop_event,
    make_distinct_motions,
    make_references,
    swap_neighbours,
)
from atom.events import TASKS, Composition, is_countable, mirror_action, postures_fit
from atom.judging.calibration import make_calibration_clips
from atom.judging.judged_prompt import PlainPrompt
from atom.judging.judges import make_judge
from atom.judging.retrieval_judge import measure_anchors, read_anchors
from atom.prompts.grammar import sample_events
from atom.prompts.wording import caption


def change_side(events: Composition, rng: np.random.Generator) -> Composition | None:
    """Do one event with the other side. None where no event has one."""
    sided = [place for place, event in enumerate(events) if mirror_action(event.action) != event.action]
    if not sided:
        return None
    place = int(rng.choice(sided))
    return (*events[:place], replace(events[place], action=mirror_action(events[place].action)), *events[place + 1 :])


ERRORS: dict[str, Callable[[Composition, np.random.Generator], Composition | None]] = {
    "missing event": drop_event,
    "swapped order": swap_neighbours,
    "wrong count": change_count,
    "wrong side": change_side,
}


def measure_agreement(prompts: int) -> dict[str, float]:
    """Kappa, rank correlation and accuracy on pairs, over all tasks and for each."""
    clips = make_calibration_clips(prompts, seed=3)
    scores = {}
    for name in ("kinematic", "retrieval"):
        judge = make_judge(name, RunConfig())
        scores[name] = np.array([judge.judge(clip.joints, clip.prompt).score for clip in clips])
    found = {"clips": float(len(clips))}
    for task in ("all", *TASKS):
        rows = np.array([task in ("all", clip.task) for clip in clips])
        first, second = scores["kinematic"][rows], scores["retrieval"][rows]
        ids = [clip.prompt_id for clip, used in zip(clips, rows, strict=True) if used]
        found[f"weighted kappa, {task}"] = float(weighted_kappa(first, second))
        found[f"spearman, {task}"] = float(spearman(first, second))
        found[f"pair accuracy, {task}"] = float(pair_accuracy(first, second, ids))
    return found


def measure_errors(pairs: int) -> dict[str, float]:
    """For each kind of error, the share of pairs in which the right motion scores higher, and the mean gap."""
    judge, found = make_judge("retrieval", RunConfig()), {}
    for kind, make_error in ERRORS.items():
        rng = np.random.default_rng([5, len(found)])
        gaps: list[float] = []
        while len(gaps) < pairs:
            task = TASKS[len(gaps) % len(TASKS)]
            events = sample_events(rng, task, "val")
            wrong = make_error(events, rng)
            if not wrong or wrong == events or not postures_fit(wrong):
                continue
            if kind == "wrong count" and not any(is_countable(event.action) for event in events):
                continue
            prompt = PlainPrompt(caption(events, rng, task)[0], events, task)
            try:
                right_score, wrong_score = (
                    judge.judge(make_motion(performed, rng).joints, prompt).score for performed in (events, wrong)
                )
            except AtomError:
                continue  # longer than the longest clip
            gaps.append(right_score - wrong_score)
        found[f"{kind}: right is higher"] = float(np.mean(np.array(gaps) > 0) + np.mean(np.array(gaps) == 0) / 2)
        found[f"{kind}: mean gap"] = float(np.mean(gaps))
    return found


def measure_speed(clips: int = 200) -> Figure:
    """Motions a second of the retrieval judge beside the kinematic one."""
    rng, rates = np.random.default_rng(0), {}
    motions = [make_motion(sample_events(rng, "integrity", "val"), rng).joints for _ in range(clips)]
    prompt = PlainPrompt("a person jumps twice, then bows", (), "integrity")
    for name in ("retrieval", "kinematic"):
        judge = make_judge(name, RunConfig())
        score = judge.judge if name == "retrieval" else lambda joints, _, judge=judge: judge.detect(joints)
        score(motions[0], prompt)
        began = time.process_time()
        for joints in motions:
            score(joints, prompt)
        rates[name] = clips / (time.process_time() - began)
    return Figure("retrieval judge", "motions/s", rates["retrieval"], rates["kinematic"], "the kinematic judge")


def check_anchors() -> None:
    """Measures the anchors again. Raises SystemExit where they differ from those of the package."""
    evaluator, config = load_small_evaluator(), SmallEvaluatorTrainingConfig()
    motions = make_distinct_motions(config.judged, "val", config.seed)
    found, shipped = measure_anchors(evaluator, make_references(motions, config.seed)), read_anchors(evaluator)
    print(f"measured {found}, shipped {shipped}")
    if not np.allclose([found.near, found.far], [shipped.near, shipped.far], atol=1e-3):
        raise SystemExit("the anchors in training.json are not those of the weights")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--anchors", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.anchors:
        check_anchors()
        return
    if arguments.json:  # one hot path of `make bench`
        print(json.dumps(asdict(measure_speed())))
        return
    for name, value in (measure_agreement(arguments.prompts) | measure_errors(arguments.prompts)).items():
        print(f"{name:32} {value:8.3f}")
    tell([measure_speed()])


if __name__ == "__main__":
    main()
