"""The parent flow: every stage as retryable Prefect tasks over shards; what passes along are references."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner

from atom.config import RunConfig
from atom.errors import AtomError
from atom.evaluation.compare import compare
from flows import stages
from flows.report import write_report
from flows.stages import ShardResult
from storage import ArtifactRef, Store

Update = Callable[[str, int, int, str], None]


@task(cache_policy=NO_CACHE, task_run_name="{stage} {number}", retry_delay_seconds=2)
def shard(stage: str, number: int, work: Callable[..., ShardResult], *arguments: Any) -> ShardResult:
    """One stage x one shard. The store is asked first, so a retry or a new run computes only what is missing."""
    result = work(*arguments)
    get_run_logger().info(
        "%s %d %s in %.1f s", stage, number, "reused" if result.reused else "computed", result.seconds
    )
    return result


class Stages:
    """Submits stages and keeps what each of them did."""

    def __init__(self, config: RunConfig, update: Update) -> None:
        self.config, self.update = config, update
        self.records: list[dict[str, Any]] = []

    def run(self, name: str, jobs: Sequence[tuple[Any, ...]]) -> list[ArtifactRef]:
        """All shards of a stage; waits for all, then raises one error that names those that failed."""
        began = time.monotonic()
        retrying = shard.with_options(retries=self.config.resources.retries)
        futures = [retrying.submit(name, number, *job) for number, job in enumerate(jobs)]
        self.update(name, 0, len(jobs), "")
        results, failed = [], []
        for number, future in enumerate(futures):
            future.wait()
            if future.state.is_completed():
                results.append(future.result())
            else:
                failed.append(f"{name} {number}: {' '.join(str(future.state.message).split())[:300]}")
            self.update(name, number + 1, len(jobs), "")
        if failed:
            raise AtomError(
                f"{len(failed)} of {len(jobs)} shards failed; run again to do only these: {'; '.join(failed)}"
            )
        refs = [result.artifact for result in results]
        self.records.append({
            "name": name, "keys": [ref.key for ref in refs], "key": refs[0].key if refs else None,
            "shards": len(refs), "reused": sum(result.reused for result in results),
            "rows": sum(ref.rows for ref in refs), "seconds": round(time.monotonic() - began, 2),
        })  # fmt: skip
        create_table_artifact(
            table=[{key: value for key, value in record.items() if key != "keys"} for record in self.records],
            key="stages", description="What each stage did so far",
        )  # fmt: skip
        return refs


@flow(name="atom", flow_run_name="{config.name} · seed {config.seed}")
def align(config: RunConfig, store: str = "store") -> dict[str, Any]:
    """Prompts, motions, clips, scores, preferences, adapter, evaluation, report. Returns the run's record."""
    return run_pipeline(config, store, lambda stage, done, total, note: None)


def run_pipeline(config: RunConfig, root: str, update: Update) -> dict[str, Any]:
    """One pass through the pipeline, inside a flow run."""
    store = Store(root)
    store.check_writable()
    run_id = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-") + config.name.replace(" ", "-")
    run = Stages(config, update)
    record: dict[str, Any] = {
        "run_id": run_id,
        "config": config.model_dump(),
        "state": "running",
        "stages": run.records,
    }
    store.save_run(run_id, record)
    began = time.monotonic()
    try:
        evaluation = _stages(config, root, store, run)
        record["evaluation"] = compare(
            store.read(evaluation["rows"]).to_pandas(), resamples=config.evaluation.bootstrap, seed=config.seed
        )
        record |= {"state": "completed", "seconds": round(time.monotonic() - began, 1)}
        record["report"] = write_report(store, record, evaluation)
    except BaseException as error:
        record |= {"state": "failed", "error": f"{type(error).__name__}: {error}"}
        raise
    finally:
        store.save_run(run_id, record)
    create_markdown_artifact(f"Run `{run_id}`: report at `{record['report']}`", key="report")
    return record


def _stages(config: RunConfig, root: str, store: Store, run: Stages) -> dict[str, Any]:
    (prompts,) = run.run("prompts", [(stages.make_prompts, root, config)])

    def starts(split: str) -> range:
        return range(0, len(stages.prompts_of(store, prompts, split)), config.prompts_per_shard)

    def motions(name: str, split: str, adapter: ArtifactRef | None = None) -> list[ArtifactRef]:
        return run.run(
            name, [(stages.make_motions, root, config, prompts, split, start, adapter) for start in starts(split)]
        )

    def scores(name: str, made: list[ArtifactRef]) -> list[ArtifactRef]:
        return run.run(name, [(stages.make_scores, root, config, prompts, ref) for ref in made])

    def clips(name: str, wanted: list[tuple[ArtifactRef, list[str]]]) -> list[ArtifactRef]:
        return run.run(name, [(stages.make_clips, root, config, ref, ids) for ref, ids in wanted if ids])

    candidates = motions("motions", "train")
    clips("clips", [(ref, _to_draw(store, config, ref, first)) for first, ref in enumerate(candidates)])
    candidate_scores = scores("scores", candidates)
    (preferences,) = run.run(
        "preferences", [(stages.make_preferences, root, config, prompts, candidates, candidate_scores)]
    )

    def tuning(done: int, total: int, row: dict[str, float]) -> None:
        run.update("steps of tuning", done, total, f"loss {row['loss']:.2f} accuracy {row['accuracy']:.2f}")

    (adapter,) = run.run("adapter", [(stages.make_adapter, root, config, preferences, tuning)])
    base = motions("test motions base", "test")
    tuned = motions("test motions tuned", "test", adapter)
    base_scores, tuned_scores = scores("test scores base", base), scores("test scores tuned", tuned)
    arms = {"base": list(zip(base, base_scores)), "tuned": list(zip(tuned, tuned_scores))}
    (rows,) = run.run("evaluation", [(stages.make_evaluation, root, config, prompts, arms)])
    shown = _gallery(store, config, arms)
    gallery = clips("gallery", [(ref, [row["motion_id"] for row in shown if row["shard"] == ref.key])
                                for ref in (base[0], tuned[0])])  # fmt: skip
    return {"rows": rows, "prompts": prompts, "preferences": preferences, "adapter": adapter, "gallery": gallery,
            "shown": shown}  # fmt: skip


def _to_draw(store: Store, config: RunConfig, ref: ArtifactRef, shard_number: int) -> list[str]:
    """Which candidates of a shard are drawn: all, or those of the first prompts of the first shard."""
    rows = store.read(ref, columns=["motion_id", "prompt_id"]).to_pylist()
    if config.rendering.motions == "all":
        return [row["motion_id"] for row in rows]
    previewed = list(dict.fromkeys(row["prompt_id"] for row in rows))[: config.rendering.preview_prompts]
    return [row["motion_id"] for row in rows if shard_number == 0 and row["prompt_id"] in previewed]


def _gallery(store: Store, config: RunConfig, arms: dict[str, list[tuple[ArtifactRef, ArtifactRef]]]) -> list[dict]:
    """First samples of the first test prompts, base and tuned: not chosen by their scores."""
    shown = []
    for arm, shards in arms.items():
        motions, scores = shards[0]
        scored = {row["motion_id"]: row for row in store.read(scores).to_pylist()}
        rows = [row for row in store.read(motions, columns=["motion_id", "prompt_id", "sample"]).to_pylist()]
        for row in [row for row in rows if row["sample"] == 0][: config.evaluation.gallery]:
            score = scored[row["motion_id"]]
            shown.append(row | {"arm": arm, "shard": motions.key, "task": score["task"], "score": score["score"],
                                "rationale": score["rationale"]})  # fmt: skip
    return shown


def flow_with(update: Update, workers: int) -> Any:
    """The parent flow with progress going to `update`, for the terminal."""

    @flow(name="atom", flow_run_name="{config.name} · seed {config.seed}",
          task_runner=ThreadPoolTaskRunner(max_workers=workers))  # fmt: skip
    def align_here(config: RunConfig, store: str) -> dict[str, Any]:
        return run_pipeline(config, store, update)

    return align_here
