"""The parent flow: every stage as retryable Prefect tasks over shards; what passes along are references."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal

import torch
from prefect import flow, get_run_logger
from prefect.exceptions import TerminationSignal
from prefect.task_runners import ThreadPoolTaskRunner

from atom import gates
from atom.config import ResourceConfig, RunConfig
from atom.errors import AtomError
from atom.evaluation.agreement import agreement
from atom.evaluation.comparison import compare
from atom.preferences.summary import summarise_pairs
from atom.report import plots
from atom.report.report_files import PAGE, write_report
from atom.report.run_tables import RunTables
from atom.tuning.validation import build_validation
from flows import imported_stages, metric_stages, stages, tensorboard, vision_stages
from flows.naming import run_name
from flows.running import Reached, Shards, StageRunner
from flows.services import check_run, spent_by
from flows.showing import show_picture, show_report
from flows.stages import rows_of
from storage import ArtifactRef, Store

Until = Literal["prompts", "motions", "clips", "scores", "preferences", "tuning", "evaluation"]
"""Stages after which a run may be asked to end; of several rounds, those of the first. With the evaluation comes all
that shows it."""


@flow(
    name="atom",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=ResourceConfig().workers),
)
def align(config: RunConfig, store: str = "store", until: Until | None = None) -> dict[str, Any]:
    """Prompts, motions, clips, scores, preferences, adapter, evaluation, report. Returns the run's record.

    `config` says what to do, `store` is the folder or fsspec address of the artifacts, in which what is there already
    is found again. What was made elsewhere takes the place of what would have been made; a run that only scores and
    pairs such motions ends there. `until` ends the run after a stage, or after all of the tuning. Raises AtomError
    that names the failed shards of a stage once all its others are done.
    """
    torch.set_num_threads(config.resources.threads)
    artifacts = Store(store)
    artifacts.check_writable()
    imported_stages.check(config)
    metric_stages.check(config)
    tensorboard.check(config)
    if config.tunes:
        build_validation(config)  # says now if its prompts can't be written
    for remark in check_run(config, artifacts):
        get_run_logger().warning(remark)
    run = _Run(config, store, artifacts, None if until == "evaluation" else until)
    try:
        with suppress(Reached):
            run.stages()
        run.conclude()
    except BaseException as error:
        state = "failed" if isinstance(error, Exception) else "cancelled"
        run.record |= {"state": state, "error": " ".join(f"{type(error).__name__}: {error}".split())}
        if isinstance(error, TerminationSignal):
            _end_soon()
        raise
    finally:
        run.record["spent"] = spent_by(config, artifacts)
        run.save()
    return run.record


def _end_soon(seconds: float = 2.0) -> None:
    """A cancelled run must not compute on: threads would first finish all shards that wait for them. What is not
    committed is no loss, as after a `kill -9`."""
    timer = threading.Timer(seconds, os._exit, (128 + signal.SIGTERM,))
    timer.daemon = True
    timer.start()


class _Run(StageRunner):
    """One pass: which stages there are, and what each is made from."""

    def stages(self) -> None:
        """All stages."""
        if not self.config.tunes:
            self._of_elsewhere()
            return
        config = self.config
        (prompts,) = self.stage("prompts", [(stages.make_prompts, self.root, config)])
        self._gate("prompts", gates.of_prompts(rows_of(self.store, prompts)))
        preferences, adapters = self._tune(config, prompts)
        on_policy = self._tune_on_policy(prompts, preferences, adapters[-1]) if config.on_policy.steps else []
        self.reached("tuning")
        tuned = (adapters + on_policy)[-1]
        motions = {
            "base": self._motions("test motions base", prompts, "test"),
            "tuned": self._motions("test motions tuned", prompts, "test", tuned),
        }
        if on_policy:
            motions[f"{config.tuning.loss_type} alone"] = self._motions(
                "test motions pairs", prompts, "test", adapters[-1]
            )
        for name in config.evaluation.baselines:
            motions[name] = self._baseline(name, prompts)
        self._evaluate(prompts, motions)
        self._measure(prompts, motions, tuned)

    def conclude(self) -> None:
        """Puts what came of the run into its record, and writes the report if there is something to report."""
        config, tables = self.config, RunTables(self.store, self.record)
        if tables.preferences:
            self.record["preferences"] = summarise_pairs(tables.preferences)
            if not (config.external.preferences or config.external.runs):
                self.record["preferences"]["of_prompts"] = len(tables.training_prompts)
        if not tables.evaluation.empty:
            self.record["evaluation"] = compare(
                tables.evaluation, resamples=config.evaluation.bootstrap, seed=config.seed
            )
            self.record["agreement"] = agreement(tables.evaluation, seed=config.seed)
        if tables.metrics:
            self.record["metrics"] = tables.metrics
        self.record |= {"state": "completed", "seconds": round(time.monotonic() - self.began, 1)}
        if "evaluation" in self.record or "preferences" in self.record:
            self.record["report"] = write_report(tables)[PAGE]
            show_report(self.store, self.run_id, self.record["report"], tables.refs("clips"))

    def _of_elsewhere(self) -> None:
        """Motions that another generator made: its candidates are paired, its base and its tuned model are compared."""
        imported = self.config.external
        (prompts,) = self.stage("prompts", [(imported_stages.make_prompts, self.root, self.config)])
        self._gate("prompts", gates.of_prompts(rows_of(self.store, prompts)))
        if external.candidates:
            motions = self._imported_motions("motions", prompts, external.candidates, "train")
            self._pairs(self.config, prompts, motions, "")
        if external.base and external.tuned:
            arms = {
                arm: self._imported_motions(f"test motions {arm}", prompts, path, "test")
                for arm, path in (("base", external.base), ("tuned", external.tuned))
            }
            self._evaluate(prompts, arms)
            self._measure(prompts, arms, None)

    def _evaluate(self, prompts: ArtifactRef, motions: dict[str, Shards]) -> None:
        """Scores and compares test motions."""
        config = self.config
        arms = {}
        for arm, refs in motions.items():
            by_vision = "vision" in config.evaluation.judges
            pictures = self._pictures(f"test pictures {arm}", prompts, refs) if by_vision else []
            by_judge = [
                self._scores(f"test scores {arm} {judge}", prompts, refs, judge, pictures)
                for judge in config.evaluation.judges
            ]
            arms[arm] = [(ref, list(scores)) for ref, *scores in zip(refs, *by_judge)]
        self.stage("evaluation", [(stages.make_evaluation, self.root, config, prompts, arms)])

    def _measure(self, prompts: ArtifactRef, motions: dict[str, Shards], tuned: ArtifactRef | None) -> None:
        """The metrics of text-to-motion, on the test prompts or on captions of a dataset."""
        settings = self.config.evaluation.metrics
        if settings is None:
            return
        if settings.dataset is not None and tuned is not None:
            motions = {
                arm: self._dataset_motions(f"dataset motions {arm}", adapter)
                for arm, adapter in (("base", None), ("tuned", tuned))
            }
        self.stage("metrics", [(metric_stages.make_metrics, self.root, self.config, prompts, motions)])

    def _dataset_motions(self, name: str, adapter: ArtifactRef | None) -> Shards:
        """Motions for captions of the dataset, of base or tuned."""
        settings, size = self.config.evaluation.metrics, self.config.prompts_per_shard
        assert settings is not None
        total = len(metric_stages.captions_of(settings, self.config.seed))
        return self.stage(
            name,
            [
                (metric_stages.make_dataset_motions, self.root, self.config, start, min(start + size, total), adapter)
                for start in range(0, total, size)
            ],
        )

    def _tune_on_policy(self, prompts: ArtifactRef, preferences: Shards, adapter: ArtifactRef) -> Shards:
        """The adapter tuned on with the judge in the loop, or with what learned from the pairs of all rounds."""
        models: Shards = []
        if self.config.on_policy.reward == "model":
            models = self.stage("reward model", [(stages.make_reward_model, self.root, self.config, preferences)])
        job = (stages.make_on_policy_adapter, self.root, self.config, prompts, adapter, *models)
        return self.stage("on-policy adapter", [job])

    def _tune(self, config: RunConfig, prompts: ArtifactRef, label: str = "") -> tuple[Shards, Shards]:
        """The preferences and the adapters of all rounds. In each, the policy makes motions of its share of the prompts
        or of all, they are scored, and it is tuned on the preferences among them. A round that gains too little is the
        last. Pairs or motions of elsewhere make one round."""
        pairs: Shards = []
        adapters: Shards = []
        for number in range(config.rounds):
            adapter = adapters[-1] if adapters else None
            suffix = label + (f" round {number + 1}" if number else "")
            if config.external.preferences:
                job = (imported_stages.make_preferences, self.root, config)
                (preferences,) = self.stage(f"preferences{suffix}", [job])
            elif config.external.runs:
                job = (imported_stages.gather_preferences, self.root, config)
                (preferences,) = self.stage(f"preferences{suffix}", [job])
            elif config.external.candidates:
                (asked,) = self.stage(f"imported prompts{suffix}", [(imported_stages.make_prompts, self.root, config)])
                candidates = self._imported_motions(f"motions{suffix}", asked, config.external.candidates, "train")
                preferences = self._pairs(config, asked, candidates, suffix)
            else:
                name = f"motions{suffix}"
                part = (number, config.rounds) if config.round_prompts == "share" else (0, 1)
                candidates = self._motions(name, prompts, "train", adapter, *part)
                preferences = self._pairs(config, prompts, candidates, suffix)
            pairs.append(preferences)
            adapters += self.stage(f"adapter{suffix}", [(stages.make_adapter, self.root, config, preferences, adapter)])
            rows = rows_of(self.store, adapters[-1])
            name = f"tuning{suffix}".replace(" ", "_")
            show_picture(self.store, self.run_id, name, plots.plot_tuning_curve(rows).png, f"Tuning{suffix}")
            if plots.select_validated(rows):
                show_picture(
                    self.store,
                    self.run_id,
                    f"validation_{name}",
                    plots.plot_validation(rows).png,
                    f"Validation in tuning{suffix}",
                )
            gain = next((row["validation_gain"] for row in rows if row["kept"]), 0.0)
            if config.min_round_gain is not None and gain < config.min_round_gain and number + 1 < config.rounds:
                get_run_logger().info(
                    "round %d gained %+.3f in validation, less than min_round_gain=%g: it is the last",
                    number + 1,
                    gain,
                    config.min_round_gain,
                )
                break
        return pairs, adapters

    def _pairs(self, config: RunConfig, prompts: ArtifactRef, candidates: Shards, suffix: str) -> ArtifactRef:
        """Clips, scores and preferences of the candidates of training prompts; gives the last."""
        if not suffix:
            self._clips("clips", [(ref, self._to_draw(ref, shard)) for shard, ref in enumerate(candidates)])
        by_vision = config.judging.judge == "vision"
        pictures = self._pictures(f"pictures{suffix}", prompts, candidates) if by_vision else []
        scores = self._scores(f"scores{suffix}", prompts, candidates, config.judging.judge, pictures)
        self._show_scores(f"scores{suffix}", scores)
        ties = self._comparisons(f"comparisons{suffix}", prompts, candidates, scores, pictures)
        job = (stages.make_preferences, self.root, config, prompts, candidates, scores, ties)
        (preferences,) = self.stage(f"preferences{suffix}", [job])
        looked_at = ["decided_by", "margin", "chosen_motion_id", "rejected_motion_id", "split"]
        self._gate(f"preferences{suffix}", gates.check_preferences(list(self._rows([preferences], looked_at))))
        return preferences

    def _imported_motions(self, name: str, prompts: ArtifactRef, path: str, split: str) -> Shards:
        """Motions of a folder or table for the prompts of a split."""
        size, total = self.config.prompts_per_shard, len(stages.prompts_of(self.store, prompts, split))
        return self._checked_motions(
            name,
            [
                (imported_stages.make_motions, self.root, prompts, path, split, start, min(start + size, total))
                for start in range(0, total, size)
            ],
        )

    def _baseline(self, name: str, prompts: ArtifactRef) -> Shards:
        """Test motions of a plainer way to the same end."""
        if name == "low_temperature":
            return self._motions("test motions low_temperature", prompts, "test", low_temperature=True)
        plainer = self.config.model_copy(update={"tuning": self.config.tuning.model_copy(update={"loss_type": name})})
        _, adapters = self._tune(plainer, prompts, label=f" {name}")
        return self._motions(f"test motions {name}", prompts, "test", adapters[-1])

    def _motions(
        self,
        name: str,
        prompts: ArtifactRef,
        split: str,
        adapter: ArtifactRef | None = None,
        part: int = 0,
        parts: int = 1,
        low_temperature: bool = False,
    ) -> Shards:
        """Motions of one of several equal parts of a split's prompts."""
        config, size = self.config, self.config.prompts_per_shard
        temperature = config.generation.temperature
        if split == "test" and config.evaluation.temperature is not None:
            temperature = config.evaluation.temperature
        if low_temperature:
            temperature *= config.evaluation.low_temperature_factor
        sampling = config.generation.model_copy(update={"temperature": temperature})
        config = config.model_copy(update={"generation": sampling})
        total = len(stages.prompts_of(self.store, prompts, split))
        first, last = total * part // parts, total * (part + 1) // parts
        return self._checked_motions(
            name,
            [
                (stages.make_motions, self.root, config, prompts, split, start, min(start + size, last), adapter)
                for start in range(first, last, size)
            ],
        )

    def _checked_motions(self, name: str, jobs: Sequence[tuple[Any, ...]]) -> Shards:
        motions = self.stage(name, jobs)
        tables = (self.store.read(ref, columns=["prompt_id", "joints"]) for ref in motions)
        self._gate(name, gates.check_motions(tables, self.config.gates))
        return motions

    def _scores(self, name: str, prompts: ArtifactRef, motions: Shards, judge: str, pictures: Shards) -> Shards:
        """A judge's scores; only the vision judge needs the pictures."""
        if judge == "vision":
            jobs = [
                (vision_stages.make_vision_scores, self.root, self.config, prompts, ref, shown)
                for ref, shown in zip(motions, pictures, strict=True)
            ]
        else:
            jobs = [(stages.make_scores, self.root, self.config, prompts, ref, judge) for ref in motions]
        scores = self.stage(name, jobs)
        self._gate(name, gates.check_scores(self._rows(scores, ["score"])))
        if judge == "vision":
            self._check_scored(name, [row["error"] for row in self._rows(scores, ["error"])])
        return scores

    def _rows(self, refs: Shards, columns: list[str]) -> Iterator[dict[str, Any]]:
        """The rows of all shards of a stage, of which no more than one shard's are in memory at a time."""
        return (row for ref in refs for row in self.store.read(ref, columns=columns).to_pylist())

    def _gate(self, name: str, checks: list[gates.Check]) -> None:
        """What the next stage works on is sound, or the run ends here."""
        gates.require_passed(name, checks)
        get_run_logger().info("%s: %s", name, ", ".join(f"{check.share:.0%} {check.what}" for check in checks))

    def _show_scores(self, name: str, scores: Shards) -> None:
        by_task: dict[str, list[float]] = {}
        for row in self._rows(scores, ["task", "score", "judge"]):
            if row["judge"] == self.config.judging.judge and row["score"] is not None:
                by_task.setdefault(row["task"], []).append(row["score"])
        if by_task:
            show_picture(
                self.store,
                self.run_id,
                name.replace(" ", "_"),
                plots.plot_score_histograms(by_task).png,
                f"{name}, 1 to 5",
            )

    def _pictures(self, name: str, prompts: ArtifactRef, motions: Shards) -> Shards:
        """What the vision judge sees of the motions."""
        jobs = [(vision_stages.make_pictures, self.root, self.config, prompts, ref) for ref in motions]
        return self.stage(name, jobs)

    def _comparisons(
        self, name: str, prompts: ArtifactRef, motions: Shards, scores: Shards, pictures: Shards
    ) -> Shards:
        """Near ties shown to the vision judge side by side, if the config asks for it."""
        if not pictures or not self.config.judging.vision.near_ties:
            return []
        return self.stage(
            name,
            [
                (vision_stages.make_comparisons, self.root, self.config, prompts, *refs)
                for refs in zip(motions, scores, pictures, strict=True)
            ],
        )

    def _check_scored(self, name: str, errors: list[str | None]) -> None:
        """AtomError when so many motions have no score that what is built on the others can't be trusted."""
        missing = Counter(error.split(":")[0] for error in errors if error is not None)
        least = self.config.judging.vision.min_scored_fraction
        if errors and 1 - missing.total() / len(errors) < least:
            commonest = ", ".join(f"{reason} ({times})" for reason, times in missing.most_common(3))
            raise AtomError(
                f"{name}: {missing.total()} of {len(errors)} have no score, more than judging.vision.min_scored_fraction="
                f"{least:g} allows: {commonest}; mend that and ask again for these with --set judging.vision.attempt="
                f"{self.config.judging.vision.attempt + 1}"
            )

    def _clips(self, name: str, wanted: Sequence[tuple[ArtifactRef, list[str]]]) -> Shards:
        return self.stage(name, [(stages.make_clips, self.root, self.config, ref, ids) for ref, ids in wanted if ids])

    def _to_draw(self, ref: ArtifactRef, shard_number: int) -> list[str]:
        """Which candidates of a shard are drawn: all, or those of the first prompts of the first shard."""
        rows = self.store.read(ref, columns=["motion_id", "prompt_id"]).to_pylist()
        if self.config.rendering.motions == "all":
            return [row["motion_id"] for row in rows]
        previewed = list(dict.fromkeys(row["prompt_id"] for row in rows))[: self.config.rendering.preview_prompts]
        return [row["motion_id"] for row in rows if shard_number == 0 and row["prompt_id"] in previewed]
