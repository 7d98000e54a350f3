"""The parent flow: every stage as retryable Prefect tasks over shards; what passes along are references."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import torch
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task

from atom.config import ResourceConfig, RunConfig
from atom.errors import AtomError
from atom.evaluation.agreement import agreement
from atom.evaluation.compare import compare
from flows import stages, vision_stages
from flows.progress import Progress
from flows.report import write_report
from flows.services import check_run, spent_by
from flows.stages import ShardResult
from storage import ArtifactRef, Store, StoreError

Shards = list[ArtifactRef]


@flow(
    name="atom",
    flow_run_name="{config.name} · seed {config.seed}",
    task_runner=ThreadPoolTaskRunner(max_workers=ResourceConfig().workers),
)
def align(config: RunConfig, store: str = "store") -> dict[str, Any]:
    """Prompts, motions, clips, scores, preferences, adapter, evaluation, report. Returns the run's record.

    `config` says what to do, `store` is the folder or fsspec address of the artifacts, in which what is there already
    is found again. Raises AtomError that names the failed shards of a stage once all its others are done.
    """
    torch.set_num_threads(config.resources.threads)
    artifacts = Store(store)
    artifacts.check_writable()
    for remark in check_run(config, artifacts):
        get_run_logger().warning(remark)
    run = _Run(config, store, artifacts)
    try:
        evaluation = run.stages()
        rows = artifacts.read(evaluation["rows"]).to_pandas()
        run.record["evaluation"] = compare(rows, resamples=config.evaluation.bootstrap, seed=config.seed)
        run.record["agreement"] = agreement(rows, seed=config.seed)
        run.record |= {"state": "completed", "seconds": round(time.monotonic() - run.began, 1)}
        run.record["report"] = write_report(artifacts, run.record, evaluation)
    except BaseException as error:
        run.record |= {"state": "failed", "error": " ".join(f"{type(error).__name__}: {error}".split())}
        raise
    finally:
        run.record["spent"] = spent_by(config, artifacts)
        run.save()
    create_markdown_artifact(f"Run `{run.run_id}`: report at `{run.record['report']}`", key="report")
    return run.record


def _may_pass(task: Task, run: TaskRun, state: State) -> bool:
    """Whether a failed shard is worth another try: not when it says itself what has to be mended first."""
    return not isinstance(state.result(raise_on_failure=False), AtomError | StoreError)


def _reason(state: State) -> str:
    """Why a shard failed, in one line; the whole traceback is in the Prefect UI."""
    error = state.result(raise_on_failure=False)
    kind = "" if isinstance(error, AtomError | StoreError) else f"{type(error).__name__}: "
    return (kind + " ".join(str(error).split()))[:300]


@task(cache_policy=NO_CACHE, task_run_name="{stage} {number}", retry_delay_seconds=2, retry_condition_fn=_may_pass)
def shard(stage: str, number: int, work: Callable[..., ShardResult], *arguments: Any) -> ShardResult:
    """One stage x one shard. The store is asked first, so a retry or a new run computes only what is missing."""
    result = work(*arguments)
    get_run_logger().info(
        "%s %d %s in %.1f s", stage, number, "reused" if result.reused else "computed", result.seconds
    )
    return result


class _Run:
    """One pass: submits the stages in turn and keeps what each of them did in the run's record."""

    def __init__(self, config: RunConfig, root: str, store: Store) -> None:
        self.config, self.root, self.store = config, root, store
        self.began = time.monotonic()
        self.run_id = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3] + "-" + config.name.replace(" ", "-")
        self.record: dict[str, Any] = {"config": config.model_dump(), "state": "running", "stages": []}
        self.save()

    def save(self) -> None:
        self.store.save_run(self.run_id, self.record)
        self.record["run_id"] = self.run_id

    def stages(self) -> dict[str, Any]:
        """All stages; gives what the evaluation and the report are made from."""
        config = self.config
        (prompts,) = self._stage("prompts", [(stages.make_prompts, self.root, config)])
        adapters = self._tune(config, prompts)
        rewards: Shards = []
        if config.on_policy.steps:
            job = (stages.make_on_policy_adapter, self.root, config, prompts, adapters[-1])
            rewards = self._stage("on-policy adapter", [job])
        motions = {
            "base": self._motions("test motions base", prompts, "test"),
            "tuned": self._motions("test motions tuned", prompts, "test", (adapters + rewards)[-1]),
        }
        if rewards:
            motions[f"{config.tuning.loss} alone"] = self._motions("test motions pairs", prompts, "test", adapters[-1])
        for name in config.evaluation.baselines:
            motions[name] = self._baseline(name, prompts)
        arms = {}
        for arm, refs in motions.items():
            by_vision = "vision" in config.evaluation.judges
            pictures = self._pictures(f"test pictures {arm}", prompts, refs) if by_vision else []
            by_judge = [self._scores(f"test scores {arm} {judge}", prompts, refs, judge, pictures)
                        for judge in config.evaluation.judges]  # fmt: skip
            arms[arm] = [(ref, list(scores)) for ref, *scores in zip(refs, *by_judge)]
        (rows,) = self._stage("evaluation", [(stages.make_evaluation, self.root, config, prompts, arms)])
        shown = self._gallery({arm: arms[arm] for arm in ("base", "tuned")})
        gallery = self._clips("gallery", [(motions[arm][0], [row["motion_id"] for row in shown if row["arm"] == arm])
                                          for arm in ("base", "tuned")])  # fmt: skip
        return {"rows": rows, "prompts": prompts, "adapters": adapters, "rewards": rewards, "gallery": gallery,
                "shown": shown}  # fmt: skip

    def _tune(self, config: RunConfig, prompts: ArtifactRef, label: str = "") -> Shards:
        """The adapters of all rounds. In each, the policy makes motions of its share of the prompts, they are scored,
        and it is tuned on the preferences among them."""
        adapters: Shards = []
        for number in range(config.rounds):
            adapter = adapters[-1] if adapters else None
            suffix = label + (f" round {number + 1}" if number else "")
            candidates = self._motions(f"motions{suffix}", prompts, "train", adapter, number, config.rounds)
            if not suffix:
                self._clips("clips", [(ref, self._to_draw(ref, shard)) for shard, ref in enumerate(candidates)])
            by_vision = config.judging.judge == "vision"
            pictures = self._pictures(f"pictures{suffix}", prompts, candidates) if by_vision else []
            scores = self._scores(f"scores{suffix}", prompts, candidates, config.judging.judge, pictures)
            ties = self._comparisons(f"comparisons{suffix}", prompts, candidates, scores, pictures)
            job = (stages.make_preferences, self.root, config, prompts, candidates, scores, ties)
            (preferences,) = self._stage(f"preferences{suffix}", [job])
            adapters += self._stage(
                f"adapter{suffix}", [(stages.make_adapter, self.root, config, preferences, adapter)]
            )
        return adapters

    def _baseline(self, name: str, prompts: ArtifactRef) -> Shards:
        """Test motions of a plainer way to the same end."""
        if name == "cooler":
            return self._motions("test motions cooler", prompts, "test", cooler=True)
        plainer = self.config.model_copy(update={"tuning": self.config.tuning.model_copy(update={"loss": name})})
        return self._motions(f"test motions {name}", prompts, "test", self._tune(plainer, prompts, f" {name}")[-1])

    def _motions(self, name: str, prompts: ArtifactRef, split: str, adapter: ArtifactRef | None = None,
                 part: int = 0, parts: int = 1, cooler: bool = False) -> Shards:  # fmt: skip
        """Motions of one of several equal parts of a split's prompts."""
        config, size = self.config, self.config.prompts_per_shard
        if cooler:
            temperature = config.evaluation.cooler * config.generation.temperature
            sampling = config.generation.model_copy(update={"temperature": temperature})
            config = config.model_copy(update={"generation": sampling})
        total = len(stages.prompts_of(self.store, prompts, split))
        first, last = total * part // parts, total * (part + 1) // parts
        return self._stage(name, [
            (stages.make_motions, self.root, config, prompts, split, start, min(start + size, last), adapter)
            for start in range(first, last, size)
        ])  # fmt: skip

    def _scores(self, name: str, prompts: ArtifactRef, motions: Shards, judge: str, pictures: Shards) -> Shards:
        """A judge's scores; only the vision judge needs the pictures."""
        if judge != "vision":
            jobs = [(stages.make_scores, self.root, self.config, prompts, ref, judge) for ref in motions]
            return self._stage(name, jobs)
        scores = self._stage(name, [
            (vision_stages.make_vision_scores, self.root, self.config, prompts, ref, shown)
            for ref, shown in zip(motions, pictures, strict=True)
        ])  # fmt: skip
        self._check_scored(name, scores)
        return scores

    def _pictures(self, name: str, prompts: ArtifactRef, motions: Shards) -> Shards:
        """What the vision judge sees of the motions."""
        jobs = [(vision_stages.make_pictures, self.root, self.config, prompts, ref) for ref in motions]
        return self._stage(name, jobs)

    def _comparisons(self, name: str, prompts: ArtifactRef, motions: Shards, scores: Shards,
                     pictures: Shards) -> Shards:  # fmt: skip
        """Near ties shown to the vision judge side by side, if the config asks for it."""
        if not pictures or not self.config.judging.vision.near_ties:
            return []
        return self._stage(name, [
            (vision_stages.make_comparisons, self.root, self.config, prompts, *refs)
            for refs in zip(motions, scores, pictures, strict=True)
        ])  # fmt: skip

    def _check_scored(self, name: str, scores: Shards) -> None:
        """AtomError when so many motions have no score that what is built on the others can't be trusted."""
        errors = [row["error"] for ref in scores for row in self.store.read(ref, columns=["error"]).to_pylist()]
        missing = Counter(error.split(":")[0] for error in errors if error is not None)
        least = self.config.judging.vision.least_scored
        if errors and 1 - missing.total() / len(errors) < least:
            commonest = ", ".join(f"{reason} ({times})" for reason, times in missing.most_common(3))
            raise AtomError(
                f"{name}: {missing.total()} of {len(errors)} have no score, more than judging.vision.least_scored="
                f"{least:g} allows: {commonest}; mend that and ask again for these with --set judging.vision.attempt="
                f"{self.config.judging.vision.attempt + 1}"
            )

    def _clips(self, name: str, wanted: Sequence[tuple[ArtifactRef, list[str]]]) -> Shards:
        return self._stage(name, [(stages.make_clips, self.root, self.config, ref, ids) for ref, ids in wanted if ids])

    def _stage(self, name: str, jobs: Sequence[tuple[Any, ...]]) -> Shards:
        """All shards of a stage; waits for all, then raises one error that names those that failed."""
        began = time.monotonic()
        retrying = shard.with_options(retries=self.config.resources.retries)
        futures = [retrying.submit(name, number, *job) for number, job in enumerate(jobs)]
        progress = Progress(name, len(jobs))
        results: list[ShardResult] = []
        failed: dict[str, list[int]] = {}  # shards by why they failed
        for number, future in enumerate(futures):
            future.wait()
            if future.state.is_completed():
                results.append(future.result())
            else:
                failed.setdefault(_reason(future.state), []).append(number)
            progress.update(number + 1)
        refs = [result.artifact for result in results]
        self.record["stages"].append({
            "name": name, "keys": [ref.key for ref in refs], "key": refs[0].key if refs else None,
            "shards": len(jobs), "reused": sum(result.reused for result in results),
            "failed": len(jobs) - len(results),
            "rows": sum(ref.rows for ref in refs), "seconds": round(time.monotonic() - began, 2),
            **self._spent(refs),
        })  # fmt: skip
        self.save()
        create_table_artifact(
            table=[{key: value for key, value in row.items() if key != "keys"} for row in self.record["stages"]],
            key="stages", description="What each stage did so far",
        )  # fmt: skip
        if failed:
            told = "; ".join(f"{name} {', '.join(map(str, shards))}: {why}" for why, shards in failed.items())
            raise AtomError(
                f"{len(jobs) - len(results)} of {len(jobs)} shards failed; run again to do only these: {told}"
            )
        return refs

    def _spent(self, refs: Shards) -> dict[str, Any]:
        """What the stage set aside and what its language models took; cost is null where a price is not known."""
        stats = [self.store.manifest(ref.stage, ref.key).stats for ref in refs]
        costs = [each.get("cost", 0.0) for each in stats]
        return {
            "quarantined": sum(each.get("quarantined", 0) for each in stats),
            "tokens": sum(each.get("tokens", 0) for each in stats),
            "cost": None if None in costs else round(sum(costs), 6),
        }

    def _to_draw(self, ref: ArtifactRef, shard_number: int) -> list[str]:
        """Which candidates of a shard are drawn: all, or those of the first prompts of the first shard."""
        rows = self.store.read(ref, columns=["motion_id", "prompt_id"]).to_pylist()
        if self.config.rendering.motions == "all":
            return [row["motion_id"] for row in rows]
        previewed = list(dict.fromkeys(row["prompt_id"] for row in rows))[: self.config.rendering.preview_prompts]
        return [row["motion_id"] for row in rows if shard_number == 0 and row["prompt_id"] in previewed]

    def _gallery(self, arms: dict[str, list[tuple[ArtifactRef, Shards]]]) -> list[dict[str, Any]]:
        """First samples of the first test prompts, base and tuned: not chosen by their scores."""
        shown = []
        for arm, ((motions, (scores, *_)), *_) in arms.items():
            scored = {row["motion_id"]: row for row in self.store.read(scores).to_pylist()}
            rows = self.store.read(motions, columns=["motion_id", "prompt_id", "sample"]).to_pylist()
            for row in [row for row in rows if row["sample"] == 0][: self.config.evaluation.gallery]:
                score = scored[row["motion_id"]]
                shown.append(row | {"arm": arm, "motions": motions.to_dict(), "score": score["score"],
                                    "rationale": score["rationale"]})  # fmt: skip
        return shown
