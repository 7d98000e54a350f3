"""One run of the pipeline: which stages there are, and what each of them reads."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from prefect import get_run_logger

from atom import gates
from atom.config import RunConfig
from atom.errors import AtomError
from atom.evaluation.agreement import agreement
from atom.evaluation.comparison import compare
from atom.judging.coverage import COVERAGE_COLUMNS, JudgeCoverage, count_coverage, sum_coverage
from atom.preferences.summary import summarise_pairs
from atom.report import plots
from atom.report.report_files import PAGE, write_report
from atom.report.run_tables import RunTables
from flows.prefect_artifacts import publish_picture, publish_report
from flows.stage_runner import Shards, StageRunner
from flows.stages import adapter as adapter_stage
from flows.stages import clips as clips_stage
from flows.stages import comparisons as comparisons_stage
from flows.stages import evaluation as evaluation_stage
from flows.stages import external as external_stage
from flows.stages import metrics as metrics_stage
from flows.stages import motions as motions_stage
from flows.stages import on_policy as on_policy_stage
from flows.stages import pictures as pictures_stage
from flows.stages import preferences as preferences_stage
from flows.stages import prompts as prompts_stage
from flows.stages import reward_model as reward_model_stage
from flows.stages import scores as scores_stage
from flows.stages import vision_scores as vision_scores_stage
from flows.stages.tables import read_prompts, read_rows
from flows.trackers import RunTrackers
from storage import ArtifactRef, Store

_ASKING_JUDGES = ("vision", "auto")  # that may ask a vision-language model


class PipelineRun(StageRunner):
    """One pass through the pipeline: its stages, and the artifacts that each of them reads."""

    def __init__(self, config: RunConfig, root: str, store: Store, until: str | None = None) -> None:
        super().__init__(config, root, store, until)
        self._coverage: dict[str, list[JudgeCoverage]] = {}  # by the keys of the scores
        logger = get_run_logger()

        def note_failure(message: str) -> None:  # called in a thread of the tracker, which has no flow run context
            self.record.setdefault("trackers_failed", []).append(message)
            logger.warning("tracker %s", message)

        self.trackers = RunTrackers(config, self.run_id, note_failure)

    def run_stages(self) -> None:
        """Runs all stages, from the prompts to the metrics."""
        if not self.config.tunes:
            self._evaluate_external()
            return
        config = self.config
        (prompts,) = self.stage("prompts", [(prompts_stage.make_prompts, self.root, config)])
        self._check_gate("prompts", gates.check_prompts(read_rows(self.store, prompts)))
        preferences, adapters = self._tune(config, prompts)
        on_policy = self._tune_on_policy(prompts, preferences, adapters[-1]) if config.on_policy.steps else []
        self.end_stage("tuning")
        tuned = (adapters + on_policy)[-1]
        motions = {
            "base": self._motions("test motions base", prompts, "test"),
            "tuned": self._motions("test motions tuned", prompts, "test", tuned),
        }
        if on_policy:
            # On-policy tuning has to beat the adapter it started from, not only the base.
            motions[f"{config.tuning.loss_type} alone"] = self._motions(
                "test motions pairs", prompts, "test", adapters[-1]
            )
        for name in config.evaluation.baselines:
            motions[name] = self._baseline(name, prompts)
        self._evaluate(prompts, motions)
        self._compute_metrics(prompts, motions, tuned)

    def conclude(self) -> None:
        """Adds the results to the record of the run, and writes the report where there are results."""
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
            self.trackers.log_evaluation(self.record["evaluation"])
        if tables.coverage:
            self.record["coverage"] = [asdict(judge) for judge in tables.coverage]
        if tables.metrics:
            self.record["metrics"] = tables.metrics
        self.record |= {"state": "completed", "seconds": round(time.monotonic() - self.began, 1)}
        if "evaluation" in self.record or "preferences" in self.record:
            self.record["report"] = write_report(tables)[PAGE]
            publish_report(self.store, self.run_id, self.record["report"], tables.refs("clips"))

    def _evaluate_external(self) -> None:
        """Pairs the candidates of another generator, and compares its base with its tuned model."""
        external = self.config.external
        (prompts,) = self.stage("prompts", [(external_stage.make_prompts, self.root, self.config)])
        self._check_gate("prompts", gates.check_prompts(read_rows(self.store, prompts)))
        if external.candidates:
            motions = self._external_motions("motions", prompts, external.candidates, "train")
            self._pairs(self.config, prompts, motions, "")
        if external.base and external.tuned:
            arms = {
                arm: self._external_motions(f"test motions {arm}", prompts, path, "test")
                for arm, path in (("base", external.base), ("tuned", external.tuned))
            }
            self._evaluate(prompts, arms)
            self._compute_metrics(prompts, arms, None)

    def _evaluate(self, prompts: ArtifactRef, motions: dict[str, Shards]) -> None:
        """Scores and compares the test motions of each arm."""
        config = self.config
        arms = {}
        for arm, refs in motions.items():
            by_judge = []
            for judge in config.evaluation.judges:
                # Of auto there are pictures of open actions only, so the two judges need stages of different names.
                suffix = " auto" if judge == "auto" and "vision" in config.evaluation.judges else ""
                pictures = self._pictures(f"test pictures {arm}{suffix}", prompts, refs, judge)
                by_judge.append(self._scores(f"test scores {arm} {judge}", prompts, refs, judge, pictures))
            self._require_scores(f"test scores {arm}", [ref for scores in by_judge for ref in scores])
            arms[arm] = [(ref, list(scores)) for ref, *scores in zip(refs, *by_judge)]
        self.stage("evaluation", [(evaluation_stage.make_evaluation, self.root, config, prompts, arms)])

    def _compute_metrics(self, prompts: ArtifactRef, motions: dict[str, Shards], tuned: ArtifactRef | None) -> None:
        """Text-to-motion metrics, on the test prompts or on the captions of a dataset."""
        settings = self.config.evaluation.metrics
        if settings is None:
            return
        if settings.dataset is not None and tuned is not None:
            motions = {
                arm: self._dataset_motions(f"dataset motions {arm}", adapter)
                for arm, adapter in (("base", None), ("tuned", tuned))
            }
        self.stage("metrics", [(metrics_stage.make_metrics, self.root, self.config, prompts, motions)])

    def _dataset_motions(self, name: str, adapter: ArtifactRef | None) -> Shards:
        """Motions for the captions of the dataset, by the base or, with an adapter, by the tuned model."""
        settings, size = self.config.evaluation.metrics, self.config.prompts_per_shard
        assert settings is not None
        total = len(metrics_stage.dataset_captions(settings, self.config.seed))
        return self.stage(
            name,
            [
                (metrics_stage.make_dataset_motions, self.root, self.config, start, min(start + size, total), adapter)
                for start in range(0, total, size)
            ],
        )

    def _tune_on_policy(self, prompts: ArtifactRef, preferences: Shards, adapter: ArtifactRef) -> Shards:
        """Tunes the adapter on rewards of the judge, or of a reward model trained on the pairs of all rounds."""
        models: Shards = []
        if self.config.on_policy.reward == "model":
            model_job = (reward_model_stage.make_reward_model, self.root, self.config, preferences)
            models = self.stage("reward model", [model_job])
        job = (on_policy_stage.make_on_policy_adapter, self.root, self.config, prompts, adapter, *models)
        return self._tuning_stage("on-policy adapter", job)

    def _tuning_stage(self, name: str, job: tuple[Any, ...]) -> Shards:
        """A stage whose table is a curve. A tracker gets the rows live, and those of a reused stage here."""
        with self.trackers.curve(name) as curve:
            refs = self.stage(name, [job])
            curve.log(read_rows(self.store, refs[0]))
        return refs

    def _tune(self, config: RunConfig, prompts: ArtifactRef, label: str = "") -> tuple[Shards, Shards]:
        """The preferences and adapters of all rounds.

        In a round the policy samples motions for its share of the prompts or for all, they are scored, and the policy
        is tuned on the preferences among them. A round that gains too little is the last. External pairs or motions
        make one round.
        """
        pairs: Shards = []
        adapters: Shards = []
        for number in range(config.rounds):
            adapter = adapters[-1] if adapters else None
            suffix = label + (f" round {number + 1}" if number else "")
            if config.external.preferences:
                job = (external_stage.make_preferences, self.root, config)
                (preferences,) = self.stage(f"preferences{suffix}", [job])
            elif config.external.runs:
                job = (external_stage.gather_preferences, self.root, config)
                (preferences,) = self.stage(f"preferences{suffix}", [job])
            elif config.external.candidates:
                job = (external_stage.make_prompts, self.root, config)
                (external_prompts,) = self.stage(f"imported prompts{suffix}", [job])
                candidates = self._external_motions(
                    f"motions{suffix}", external_prompts, config.external.candidates, "train"
                )
                preferences = self._pairs(config, external_prompts, candidates, suffix)
            else:
                name = f"motions{suffix}"
                # Each round on prompts that no round before it has tuned on.
                part = (number, config.rounds) if config.round_prompts == "share" else (0, 1)
                candidates = self._motions(name, prompts, "train", adapter, *part)
                preferences = self._pairs(config, prompts, candidates, suffix)
            pairs.append(preferences)
            job = (adapter_stage.make_adapter, self.root, config, preferences, adapter)
            adapters += self._tuning_stage(f"adapter{suffix}", job)
            rows = read_rows(self.store, adapters[-1])
            name = f"tuning{suffix}".replace(" ", "_")
            publish_picture(self.store, self.run_id, name, plots.plot_tuning_curve(rows).png, f"Tuning{suffix}")
            if plots.select_validated(rows):
                publish_picture(
                    self.store,
                    self.run_id,
                    f"validation_{name}",
                    plots.plot_validation(rows).png,
                    f"Validation in tuning{suffix}",
                )
            gain = next((row["validation_gain"] for row in rows if row["kept"]), 0.0)
            if config.min_round_gain is not None and gain < config.min_round_gain and number + 1 < config.rounds:
                get_run_logger().info(
                    "round %d gained %+.3f in validation, less than min_round_gain=%g: it is the last round",
                    number + 1,
                    gain,
                    config.min_round_gain,
                )
                break
        return pairs, adapters

    def _pairs(self, config: RunConfig, prompts: ArtifactRef, candidates: Shards, suffix: str) -> ArtifactRef:
        """Renders, scores and pairs the candidates of training prompts; returns the preferences."""
        # Of the first round only: clips are for people to look at, and no later stage reads them.
        if not suffix:
            self._clips("clips", [(ref, self._select_for_clips(ref, shard)) for shard, ref in enumerate(candidates)])
        judge = config.judging.judge
        pictures = self._pictures(f"pictures{suffix}", prompts, candidates, judge)
        scores = self._scores(f"scores{suffix}", prompts, candidates, judge, pictures)
        self._require_scores(f"scores{suffix}", scores)
        self._publish_scores(f"scores{suffix}", scores)
        ties = self._comparisons(f"comparisons{suffix}", prompts, candidates, scores, pictures)
        job = (preferences_stage.make_preferences, self.root, config, prompts, candidates, scores, ties)
        (preferences,) = self.stage(f"preferences{suffix}", [job])
        columns = ["decided_by", "margin", "chosen_motion_id", "rejected_motion_id", "split"]
        self._check_gate(f"preferences{suffix}", gates.check_preferences(list(self._rows([preferences], columns))))
        return preferences

    def _external_motions(self, name: str, prompts: ArtifactRef, path: str, split: str) -> Shards:
        """The motions of a folder or table for the prompts of a split."""
        size, total = self.config.prompts_per_shard, len(read_prompts(self.store, prompts, split))
        motions = self._checked_motions(
            name,
            [
                (external_stage.make_motions, self.root, prompts, path, split, start, min(start + size, total))
                for start in range(0, total, size)
            ],
        )
        for sentence in external_stage.find_remarks(self.store, motions):
            get_run_logger().warning("%s: %s", name, sentence)
        return motions

    def _baseline(self, name: str, prompts: ArtifactRef) -> Shards:
        """Test motions of a baseline: a simpler method that tuning has to beat."""
        if name == "low_temperature":
            return self._motions("test motions low_temperature", prompts, "test", low_temperature=True)
        baseline = self.config.model_copy(update={"tuning": self.config.tuning.model_copy(update={"loss_type": name})})
        _, adapters = self._tune(baseline, prompts, label=f" {name}")
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
        """Samples motions for one of `parts` equal parts of a split's prompts."""
        config, size = self.config, self.config.prompts_per_shard
        temperature = config.generation.temperature
        if split == "test" and config.evaluation.temperature is not None:
            temperature = config.evaluation.temperature
        if low_temperature:
            temperature *= config.evaluation.low_temperature_factor
        sampling = config.generation.model_copy(update={"temperature": temperature})
        config = config.model_copy(update={"generation": sampling})
        # Bounds by whole division, so that the parts of all rounds meet without gap or overlap.
        total = len(read_prompts(self.store, prompts, split))
        first, last = total * part // parts, total * (part + 1) // parts
        return self._checked_motions(
            name,
            [
                (motions_stage.make_motions, self.root, config, prompts, split, start, min(start + size, last), adapter)
                for start in range(first, last, size)
            ],
        )

    def _checked_motions(self, name: str, jobs: Sequence[tuple[Any, ...]]) -> Shards:
        motions = self.stage(name, jobs)
        tables = (self.store.read(ref, columns=["prompt_id", "joints"]) for ref in motions)
        self._check_gate(name, gates.check_motions(tables, self.config.gates))
        return motions

    def _scores(self, name: str, prompts: ArtifactRef, motions: Shards, judge: str, pictures: Shards) -> Shards:
        """Scores of a judge. Only a judge that asks a vision-language model needs the pictures."""
        if judge in _ASKING_JUDGES:
            jobs = [
                (vision_scores_stage.make_vision_scores, self.root, self.config, prompts, ref, pictures_ref, judge)
                for ref, pictures_ref in zip(motions, pictures, strict=True)
            ]
        else:
            jobs = [(scores_stage.make_scores, self.root, self.config, prompts, ref, judge) for ref in motions]
        scores = self.stage(name, jobs)
        self._check_gate(name, gates.check_scores(self._rows(scores, ["score"])))
        self._record_coverage(scores)
        if judge in _ASKING_JUDGES:
            # Rows without a model were scored by the kinematic judge or not judged, which is no failure of the service.
            self._check_scored_fraction(
                name, [row["error"] for row in self._rows(scores, ["error", "model"]) if row["model"] is not None]
            )
        return scores

    def _record_coverage(self, scores: Shards) -> None:
        """Adds to the record how many motions each judge scored, and how many it can't judge."""
        for ref in scores:
            # A shard that several stages share is read once.
            if ref.key not in self._coverage:
                rows = self.store.read(ref, columns=list(COVERAGE_COLUMNS)).to_pylist()
                self._coverage[ref.key] = count_coverage([rows])
        total = sum_coverage(entry for shard in self._coverage.values() for entry in shard)
        self.record["coverage"] = [asdict(entry) for entry in total]
        self.record["not_judged"] = {entry.judge: entry.not_judged for entry in total if entry.not_judged}

    def _require_scores(self, name: str, scores: Shards) -> None:
        """Raises AtomError when no motion has a score because no judge can judge its prompt."""
        coverage = sum_coverage(entry for ref in scores for entry in self._coverage[ref.key])
        if not coverage or any(entry.motions > entry.not_judged for entry in coverage):
            return
        reasons = Counter(row["error"].partition(": ")[2] for row in self._rows(scores, ["error"]))
        (commonest, _), *_ = reasons.most_common(1)
        judges = " and the ".join(entry.judge for entry in coverage)
        key = "judging.judge" if name.startswith("scores") else "evaluation.judges"
        raise AtomError(
            f"{name}: the {judges} judge can judge none of {coverage[0].motions} motions ({commonest}): use {key}=auto "
            "or vision (a vision-language model), or retrieval with an evaluator that knows such texts "
            "(judging.retrieval)"
        )

    def _rows(self, refs: Shards, columns: list[str]) -> Iterator[dict[str, Any]]:
        """The rows of all shards of a stage, with one shard in memory at a time."""
        return (row for ref in refs for row in self.store.read(ref, columns=columns).to_pylist())

    def _check_gate(self, name: str, checks: list[gates.Check]) -> None:
        """Raises AtomError when the input of the next stage fails a check."""
        gates.require_passed(name, checks)
        get_run_logger().info("%s: %s", name, ", ".join(f"{check.share:.0%} {check.name}" for check in checks))

    def _publish_scores(self, name: str, scores: Shards) -> None:
        """Shows the distribution of the scores of each task on the page of the run."""
        by_task: dict[str, list[float]] = {}
        for row in self._rows(scores, ["task", "score", "judge"]):
            if row["judge"] == self.config.judging.judge and row["score"] is not None:
                by_task.setdefault(row["task"], []).append(row["score"])
        if by_task:
            publish_picture(
                self.store,
                self.run_id,
                name.replace(" ", "_"),
                plots.plot_score_histograms(by_task).png,
                f"{name}, 1 to 5",
            )

    def _pictures(self, name: str, prompts: ArtifactRef, motions: Shards, judge: str) -> Shards:
        """The pictures that a vision-language model sees of the motions; none for a judge that asks no model."""
        if judge not in _ASKING_JUDGES:
            return []
        open_only = judge == "auto"
        jobs = [(pictures_stage.make_pictures, self.root, self.config, prompts, ref, open_only) for ref in motions]
        return self.stage(name, jobs)

    def _comparisons(
        self, name: str, prompts: ArtifactRef, motions: Shards, scores: Shards, pictures: Shards
    ) -> Shards:
        """Comparisons of near ties by the vision judge, where the config has any."""
        if not pictures or not self.config.judging.vision.near_ties:
            return []
        return self.stage(
            name,
            [
                (comparisons_stage.make_comparisons, self.root, self.config, prompts, *refs)
                for refs in zip(motions, scores, pictures, strict=True)
            ],
        )

    def _check_scored_fraction(self, name: str, errors: list[str | None]) -> None:
        """Raises AtomError when too many motions have no score."""
        # The kind of an error stands before its colon; what follows differs from motion to motion.
        missing = Counter(error.split(":")[0] for error in errors if error is not None)
        vision = self.config.judging.vision
        if errors and 1 - missing.total() / len(errors) < vision.min_scored_fraction:
            commonest = ", ".join(f"{reason} ({times})" for reason, times in missing.most_common(3))
            raise AtomError(
                f"{name}: {missing.total()} of {len(errors)} motions have no score, more than "
                f"judging.vision.min_scored_fraction={vision.min_scored_fraction:g} allows: {commonest}; fix that and "
                f"score these again with --set judging.vision.attempt={vision.attempt + 1}"
            )

    def _clips(self, name: str, selected: Sequence[tuple[ArtifactRef, list[str]]]) -> Shards:
        """Clips of the selected motions of each shard."""
        jobs = [(clips_stage.make_clips, self.root, self.config, ref, ids) for ref, ids in selected if ids]
        return self.stage(name, jobs)

    def _select_for_clips(self, ref: ArtifactRef, shard_number: int) -> list[str]:
        """The candidates of a shard that get a clip: all, or those of the first prompts of the first shard."""
        rows = self.store.read(ref, columns=["motion_id", "prompt_id"]).to_pylist()
        if self.config.rendering.motions == "all":
            return [row["motion_id"] for row in rows]
        previewed = list(dict.fromkeys(row["prompt_id"] for row in rows))[: self.config.rendering.preview_prompts]
        return [row["motion_id"] for row in rows if shard_number == 0 and row["prompt_id"] in previewed]
