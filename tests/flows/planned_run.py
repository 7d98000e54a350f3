"""A run whose stages are not computed: it keeps the jobs of each stage and gives a small artifact for each of them."""

from typing import Any
from unittest.mock import MagicMock

import numpy as np

from atom.corpus.composition import make_motion
from atom.events import Event
from flows import pipeline_run
from flows.pipeline_run import PipelineRun
from flows.stage_runner import StageLimitReached
from storage import (
    CLIPS,
    COMPARISONS,
    CURVES,
    EVALUATION,
    METRICS,
    MOTIONS,
    PICTURES,
    PREFERENCES,
    PROMPTS,
    SCORES,
    ArtifactRef,
    Recipe,
    Store,
)

JOINTS = make_motion([Event("jump_up")], np.random.default_rng(0)).joints[:5]


class PlannedRun(PipelineRun):
    """Keeps `jobs`, the arguments of each stage by its name, in order, with artifacts as the names of their stages.

    Args:
        prompts: number of prompts of each split.
        gains: what each adapter gains in validation, in the order in which they are made.
        unjudged: judges that can judge no motion.
        unanswered: motions of each shard that the judge auto sends to a model and gets no answer to; it judges the
            others itself.
    """

    def __init__(self, config, root, prompts=7, gains=(), unjudged=(), unanswered=0, until=None):
        self.jobs: dict[str, list[tuple[Any, ...]]] = {}
        self._prompts, self._gains, self._unjudged = prompts, list(gains), unjudged
        self._unanswered = unanswered
        self._names: dict[str, str] = {}
        super().__init__(config, str(root), Store(str(root)), until)

    def stage(self, name, jobs):
        if self._is_over:
            raise StageLimitReached
        self.jobs[name] = [self._describe(job) for job in jobs]
        refs = [self._artifact(name, number, job) for number, job in enumerate(jobs)]
        self.end_stage(name)
        return refs

    def _describe(self, job):
        """The arguments of a job after root, with the names of stages in place of their artifacts."""
        return (job[0].__name__, *(self._name(each) for each in job[1:] if each != self.root))

    def _name(self, value):
        if isinstance(value, ArtifactRef):
            return self._names[value.key]
        if isinstance(value, dict):
            return {name: self._name(each) for name, each in value.items()}
        return [self._name(each) for each in value] if isinstance(value, list | tuple) else value

    def _artifact(self, name, number, job):
        table, rows = self._planned_rows(job[0].__name__, number, job)
        with self.store.write(Recipe("planned", 1, table, config=[name, number])) as writer:
            writer.rows(rows)
        self._names[writer.ref.key] = f"{name} {number}" if name.split()[0] != "prompts" else name
        return writer.ref

    def _planned_rows(self, work, number, job):
        if work == "make_prompts":
            return PROMPTS, [_prompt(split, n) for split in ("train", "test") for n in range(self._prompts)]
        if work == "make_motions":
            start, stop = [each for each in job if type(each) is int][:2]
            return MOTIONS, [_motion(n) for n in range(start, stop)]
        if work in ("make_scores", "make_vision_scores"):
            motions = self.store.read(job[4]).to_pylist()
            rows = [_score(row, job[-1], job[-1] in self._unjudged) for row in motions]
            if job[-1] == "auto":
                for number, row in enumerate(rows):
                    no_answer = {"score": None, "error": "refused: no"}
                    row |= no_answer if number < self._unanswered else {"model": None}
            return SCORES, rows
        if work in ("make_preferences", "gather_preferences"):
            return PREFERENCES, [_pair()]
        if work in ("make_adapter", "make_on_policy_adapter"):
            gain = self._gains.pop(0) if self._gains and work == "make_adapter" else None
            return CURVES, [_curve(0.9, False), _curve(gain, gain is not None)]
        tables = {
            "make_clips": CLIPS,
            "make_pictures": PICTURES,
            "make_comparisons": COMPARISONS,
            "make_evaluation": EVALUATION,
            "make_metrics": METRICS,
            "make_reward_model": CURVES,
            "make_dataset_motions": MOTIONS,
        }
        return tables[work], []


def quiet(monkeypatch):
    """Leaves the pictures and the log of a run out, which would need a server. Returns what stands for them."""
    parts = MagicMock()
    monkeypatch.setattr(pipeline_run, "publish_picture", parts.publish_picture)
    monkeypatch.setattr(pipeline_run, "plots", parts.plots)
    monkeypatch.setattr(pipeline_run, "get_run_logger", parts.get_run_logger)
    parts.plots.select_validated.return_value = []
    return parts


def _prompt(split, number):
    action = {"train": "squat", "test": "bow"}[split]
    return {
        "prompt_id": f"{split}{number}", "text": f"a person does {action} {number}", "task": "frequency",
        "events": [{"action": action, "phrase": "", "count": number + 1, "group": None}], "split": split,
        "source": "grammar", "seed": 0, "rejected": None, "answer": None,
    }  # fmt: skip


def _motion(number):
    return {
        "motion_id": f"m{number}", "prompt_id": f"train{number}", "sample": 0, "seed": 0, "tokens": [1], "frames": 5,
        "joints": JOINTS + np.float32(number) / 64, "stop_reason": "end",
    }  # fmt: skip


def _score(motion, judge, is_unjudged):
    asks = judge in ("vision", "auto")
    return {
        "motion_id": motion["motion_id"], "prompt_id": motion["prompt_id"], "task": "frequency", "judge": judge,
        "vote": 0, "score": None if is_unjudged else 3.0, "exact": None, "events": [], "verdicts": [], "rationale": "",
        "model": "gpt" if asks else None, "answers": [], "tokens": 0, "cost": 0.0, "latency": 0.0,
        "error": f"not judged: the {judge} judge can't see 'juggle'" if is_unjudged else None,
    }  # fmt: skip


def _pair():
    return {
        "prompt_id": "train0", "prompt": "a person squats", "task": "frequency", "split": "train", "events": [],
        "chosen_tokens": [1], "rejected_tokens": [2], "chosen_score": 4.0, "rejected_score": 2.0, "margin": 2.0,
        "degree": "Much better", "decided_by": "score", "chosen_motion_id": "a", "rejected_motion_id": "b",
    }  # fmt: skip


def _curve(gain, kept):
    numbers = [name for name in CURVES.schema.names if name not in ("step", "validation", "validation_gain", "kept")]
    return dict.fromkeys(numbers, 0.0) | {"step": 1, "validation": gain, "validation_gain": gain, "kept": kept}
