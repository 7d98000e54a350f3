"""What each stage does with one shard: look the key up, else compute and commit. Plain functions on references."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from atom.config import RunConfig
from atom.errors import AtomError
from atom.evaluation.diversity import motion_descriptor
from atom.events import Event
from atom.external.motion_generator import sample_seed
from atom.generation.checkpoint import template_of, weights_hash
from atom.generation.generator import Generator
from atom.judging.judgement import Judgement
from atom.judging.judges import judge_weight_hashes, make_judge
from atom.judging.votes import SECOND_JUDGE, aggregate_votes
from atom.motion.physics import foot_skate, mean_jerk
from atom.preferences.pairs import ScoredMotion, build_pairs, find_decided_pairs
from atom.prompts.grammar import expected_length, write_prompts
from atom.prompts.seeds import read_seeds
from atom.prompts.writer import VERSION as WRITER_VERSION
from atom.prompts.writer import write_prompts_with_llm
from atom.rendering import check_joints, render_contact_sheet, write_video
from atom.tuning.adapter import FILES as ADAPTER_FILES
from atom.tuning.distributed import PAIRS_FILE, tune_distributed
from atom.tuning.on_policy import tune_on_policy
from atom.tuning.pairs import PairFile, TrainingPair
from atom.tuning.preference_trainer import tune
from atom.tuning.reward_model import FILES as REWARD_MODEL_FILES
from atom.tuning.reward_model import RewardModel, RewardPair, train_reward_model
from atom.tuning.rewards import JudgeReward, RewardFunction, RolloutPrompt
from atom.tuning.validation import build_validation
from flows.needs import needs
from flows.progress import Counted, Progress
from flows.services import ask
from flows.tensorboard import curves_of
from storage import (
    CLIPS,
    CURVES,
    EVALUATION,
    MOTIONS,
    PREFERENCES,
    PROMPTS,
    REWARD_CURVES,
    REWARD_MODEL_CURVES,
    SCORES,
    ArtifactRef,
    Recipe,
    Store,
)

PAIR_COLUMNS = [
    "prompt",
    "chosen_tokens",
    "rejected_tokens",
    "degree",
    "split",
    "task",
    "chosen_score",
    "rejected_score",
]
LORA_FIELDS = {"r", "lora_alpha", "use_rslora", "use_dora", "target_modules", "vocabulary"}

_loading = threading.Lock()
_loaded: dict[tuple[str | None, ...], Generator] = {}  # the generator used last, for all threads


class ShardResult(BaseModel):
    """Where a shard's rows are, whether they were there already, and how long it took."""

    ref: dict[str, Any]
    reused: bool
    seconds: float

    @property
    def artifact(self) -> ArtifactRef:
        return ArtifactRef.from_dict(self.ref)


def once(store: Store, recipe: Recipe, compute: Callable[[Any], None]) -> ShardResult:
    """The store is the authority: what is there and sound is not computed again, nor what another run is just at."""
    began = time.monotonic()
    ref = store.find(recipe.stage, recipe.key)
    if ref is None:
        with store.claim(recipe.stage, recipe.key):
            ref = store.find(recipe.stage, recipe.key)
            if ref is None:
                with store.write(recipe) as writer:
                    compute(writer)
                return ShardResult(ref=writer.ref.to_dict(), reused=False, seconds=time.monotonic() - began)
    return ShardResult(ref=ref.to_dict(), reused=True, seconds=time.monotonic() - began)


def generator_of(store: Store, config: RunConfig, adapter: ArtifactRef | None) -> Generator:
    """The generator, with an adapter or without: one in this process, shared by its threads, which only read it."""
    settings = config.generation
    wanted = (settings.checkpoint, settings.template, adapter.key if adapter else None, config.resources.device)
    with _loading:
        if wanted not in _loaded:
            _loaded.clear()
            with store.folder(adapter) if adapter else nullcontext() as folder:
                _loaded[wanted] = _load(config, folder)
        return _loaded[wanted]


def generator_to_tune(config: RunConfig) -> Generator:
    """A generator of one's own; the shared one makes room for it."""
    with _loading:
        _loaded.clear()
    return _load(config)


def _load(config: RunConfig, adapter: Path | None = None) -> Generator:
    return Generator.load(
        config.generation.checkpoint,
        str(adapter) if adapter else None,
        config.resources.device,
        config.generation.template,
    )


def generator_identity(config: RunConfig, adapter: ArtifactRef | None = None) -> dict[str, str]:
    """What a key says of the generator: its weights, how prompts are worded for it if that is set, its adapter."""
    settings = config.generation
    identity = {"generator": weights_hash(settings.checkpoint)}
    if settings.template is not None:
        identity["template"] = template_of(settings.template)
    return identity | ({"adapter": adapter.key} if adapter else {})


def rows_of(store: Store, ref: ArtifactRef) -> list[dict[str, Any]]:
    return store.read(ref).to_pylist()


def prompts_of(
    store: Store, ref: ArtifactRef, split: str, start: int = 0, stop: int | None = None
) -> list[dict[str, Any]]:
    """The prompts [start, stop) of a split in the order in which they are sharded: tasks take turns, so shards are
    alike. Of the others no row is made, since every shard of a large run asks."""
    table = store.read(ref)
    table = table.filter(pc.and_(pc.equal(table["split"], split), pc.is_null(table["rejected"])))
    tasks = table["task"].to_numpy()
    places = np.empty(len(tasks), np.int64)
    for task in set(tasks):
        places[tasks == task] = np.arange(np.sum(tasks == task))
    return table.take(np.argsort(places, kind="stable")[start:stop]).to_pylist()


def prompts_by_id(store: Store, ref: ArtifactRef, wanted: pa.ChunkedArray) -> dict[str, dict[str, Any]]:
    """The prompts of some motions or scores, whose column of prompt_id is given."""
    table = store.read(ref)
    rows = table.filter(pc.is_in(table["prompt_id"], wanted.combine_chunks())).to_pylist()
    return {row["prompt_id"]: row for row in rows}


def motions_of(motions: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows of a motions table, their joints as views (T, 22, 3) of its memory: as Python's floats they would take
    ten times as much, and most of the time."""
    joints = motions["joints"].combine_chunks()
    flat, ends = joints.values.to_numpy(), joints.offsets.to_numpy()
    for row, start, end in zip(motions.drop_columns("joints").to_pylist(), ends, ends[1:]):
        yield row | {"joints": flat[start:end].reshape(-1, 22, 3)}


@needs("service")
def make_prompts(root: str, config: RunConfig) -> ShardResult:
    """The prompts of all tasks and splits; those that a language model wrote and that can't be used lie beside them."""
    store = Store(root)
    if config.prompts.writer == "llm":
        return _make_prompts_by_model(store, config)
    settings = config.prompts.model_dump(exclude={"writer", "llm"}) | {"seeds": read_seeds(config.prompts.seeds).digest}
    recipe = Recipe("prompts", 1, PROMPTS, config=settings, seed=config.seed)

    def compute(writer: Any) -> None:
        written = write_prompts(config.prompts, config.seed)
        writer.rows([prompt.to_dict() | {"rejected": None, "answer": None} for prompt in written])

    return once(store, recipe, compute)


def _make_prompts_by_model(store: Store, config: RunConfig) -> ShardResult:
    settings = config.prompts.model_dump() | {"seeds": read_seeds(config.prompts.seeds).digest}
    recipe = Recipe("prompts", 1, PROMPTS, config=settings | {"wording": WRITER_VERSION}, seed=config.seed)

    def compute(writer: Any) -> None:
        told = Counted("prompts written")
        written = ask(
            config,
            store,
            lambda service: write_prompts_with_llm(service, config.prompts, config.seed, told.count),
            told,
        )
        rows = [prompt.to_dict() | {"rejected": None, "answer": None} for prompt in written.prompts]
        for turned_down in written.rejected:
            rows.append(
                {
                    "prompt_id": turned_down.prompt_id,
                    "text": turned_down.text,
                    "task": turned_down.task,
                    "events": [event.to_dict() for event in turned_down.events],
                    "split": turned_down.split,
                    "source": config.prompts.llm.model,
                    "seed": config.seed,
                    "rejected": turned_down.reason,
                    "answer": turned_down.answer,
                }
            )
        writer.rows(rows)
        writer.stats = {"quarantined": len(written.rejected), "tokens": written.tokens, "cost": written.cost}

    return once(store, recipe, compute)


@needs("gpu")
def make_motions(
    root: str,
    config: RunConfig,
    prompts: ArtifactRef,
    split: str,
    start: int,
    stop: int,
    adapter: ArtifactRef | None = None,
) -> ShardResult:
    """Motions of the prompts [start, stop) of a split, of the base or, with an adapter, of the tuned model."""
    store, settings = Store(root), config.generation
    samples = settings.candidates if split == "train" else settings.evaluation_samples
    recipe = Recipe(
        "motions",
        2,
        MOTIONS,
        config={**settings.sampling, "samples": samples, "split": split, "start": start, "stop": stop},
        seed=config.seed,
        weights=generator_identity(config, adapter),
        inputs=[prompts.key],
    )

    def compute(writer: Any) -> None:
        shard = prompts_of(store, prompts, split, start, stop)
        asked = [(row["prompt_id"], row["text"], sample) for row in shard for sample in range(samples)]
        write_motions(writer, recipe, config, generator_of(store, config, adapter), asked)

    return once(store, recipe, compute)


def write_motions(
    writer: Any, recipe: Recipe, config: RunConfig, generator: Generator, asked: Sequence[tuple[str, str, int]]
) -> None:
    """Makes a motion for each (prompt id, text, number of the sample); an answer without a motion stays as a row of
    no frames, and is counted as set aside."""
    seeds = [sample_seed(config.seed, prompt_id, sample) for prompt_id, _, sample in asked]
    made = generator.sample(
        [text for _, text, _ in asked], seeds, batch_size=config.resources.batch_size, **config.generation.sampling
    )
    joints = generator.decode([sample.tokens for sample in made])
    writer.rows(
        [
            {
                "motion_id": f"{recipe.key[:12]}-{prompt_id}-{sample}",
                "prompt_id": prompt_id,
                "sample": sample,
                "seed": seed,
                "tokens": motion.tokens,
                "frames": len(place),
                "joints": place,
                "stop_reason": motion.stop_reason,
            }
            for (prompt_id, _, sample), seed, motion, place in zip(asked, seeds, made, joints, strict=True)
        ]
    )
    writer.stats = {"quarantined": sum(motion.stop_reason == "empty" for motion in made)}


def make_scores(
    root: str, config: RunConfig, prompts: ArtifactRef, motions: ArtifactRef, judge: str = "kinematic"
) -> ShardResult:
    """The score and evidence of a judge of joints for each motion of a shard; a motion without frames scores 1."""
    store = Store(root)
    settings = {"judge": judge}
    if judge == "kinematic":
        settings |= config.judging.model_dump(include={"sensitivity"})
    recipe = Recipe(
        "scores", 4, SCORES, config=settings, weights=judge_weight_hashes(judge), inputs=[prompts.key, motions.key]
    )

    def compute(writer: Any) -> None:
        judging = make_judge(judge, config.judging)
        rows = []
        made = store.read(motions, columns=["motion_id", "prompt_id", "frames", "joints"])
        asked = prompts_by_id(store, prompts, made["prompt_id"])
        for motion in motions_of(made):
            prompt = asked[motion["prompt_id"]]
            row = unjudged(motion, prompt, judge)
            if motion["frames"]:
                row |= judged(judging.judge(motion["joints"], events_of(prompt), prompt["task"]))
            rows.append(row)
        writer.rows(rows)

    return once(store, recipe, compute)


def unjudged(motion: dict[str, Any], prompt: dict[str, Any], judge: str) -> dict[str, Any]:
    """The row of a motion without frames, which needs no judge to be wrong."""
    return {
        "motion_id": motion["motion_id"],
        "prompt_id": motion["prompt_id"],
        "task": prompt["task"],
        "judge": judge,
        "vote": 0,
        "score": 1.0,
        "exact": False,
        "events": [],
        "verdicts": [],
        "rationale": "the model gave no motion",
        "model": None,
        "answers": [],
        "tokens": 0,
        "cost": 0.0,
        "latency": 0.0,
        "error": None,
    }


def judged(judgement: Judgement) -> dict[str, Any]:
    return {
        "score": judgement.score,
        "exact": judgement.exact,
        "rationale": judgement.rationale,
        "events": [vars(seen) for seen in judgement.seen],
        "verdicts": [
            {
                "action": v.asked.action,
                "count": v.asked.count,
                "found": v.found,
                "seen_count": v.seen_count,
                "start": v.start,
                "end": v.end,
            }
            for v in judgement.verdicts
        ],
    }


def make_clips(root: str, config: RunConfig, motions: ArtifactRef, motion_ids: Sequence[str]) -> ShardResult:
    """An mp4 and a contact sheet of the named motions of a shard."""
    store, settings = Store(root), config.rendering
    recipe = Recipe(
        "clips",
        2,
        CLIPS,
        inputs=[motions.key],
        config={"size": settings.size, "every": settings.every, "view": settings.view, "motions": list(motion_ids)},
    )

    def compute(writer: Any) -> None:
        rows, broken = [], 0
        for motion in motions_of(store.read(motions)):
            if motion["motion_id"] not in motion_ids or not motion["frames"]:
                continue
            name = motion["motion_id"]
            try:
                joints = check_joints(joints_of(motion))
            except AtomError:
                broken += 1
                continue
            write_video(writer.folder / f"{name}.mp4", joints, size=settings.size, view=settings.view)
            sheet = render_contact_sheet(joints, every=settings.every, size=settings.size // 2, view=settings.view)
            sheet.save(writer.folder / f"{name}.png")
            rows.append(
                {
                    "motion_id": name,
                    "prompt_id": motion["prompt_id"],
                    "video": writer.record(f"{name}.mp4"),
                    "sheet": writer.record(f"{name}.png"),
                    "size": settings.size,
                    "fps": 20.0,
                    "frame_indices": list(range(0, motion["frames"], settings.every)),
                }
            )
        writer.stats = {"quarantined": broken}
        writer.rows(rows)

    return once(store, recipe, compute)


def candidates_of(
    store: Store, asked: dict[str, dict[str, Any]], motions: ArtifactRef, scores: ArtifactRef, judge: str
) -> list[ScoredMotion]:
    """The motions of a shard that the judge gave a score, with that of the second judge where there is one."""
    told = store.read(motions, columns=["motion_id", "tokens", "stop_reason", "frames"])
    made = {row["motion_id"]: row for row in told.to_pylist()}
    by_judge = aggregate_votes(
        store.read(scores, columns=["motion_id", "prompt_id", "judge", "score", "exact"]).to_pylist()
    )
    candidates = []
    for (motion_id, name), score in by_judge.items():
        if name != judge or score["score"] is None:
            continue
        prompt, motion = asked[score["prompt_id"]], made[motion_id]
        second = by_judge.get((motion_id, SECOND_JUDGE), {})
        candidates.append(
            ScoredMotion(
                motion_id=motion_id,
                prompt_id=score["prompt_id"],
                text=prompt["text"],
                task=prompt["task"],
                split=prompt["split"],
                tokens=tuple(motion["tokens"]),
                stop_reason=motion["stop_reason"],
                score=score["score"],
                exact=score["exact"],
                second_score=second.get("score"),
                frames=motion["frames"],
            )
        )
    return candidates


def make_preferences(
    root: str,
    config: RunConfig,
    prompts: ArtifactRef,
    motions: Sequence[ArtifactRef],
    scores: Sequence[ArtifactRef],
    comparisons: Sequence[ArtifactRef] = (),
) -> ShardResult:
    """MotionPrefer: pairs by score gap over all shards, and near ties that comparisons decided."""
    store = Store(root)
    inputs = [prompts.key, *_keys(motions), *_keys(scores), *_keys(comparisons)]
    recipe = Recipe("preferences", 3, PREFERENCES, config=config.preferences.model_dump(), inputs=inputs)

    def compute(writer: Any) -> None:
        asked = {row["prompt_id"]: row for row in store.read(prompts).to_pylist()}
        candidates = [
            candidate
            for motion_ref, score_ref in zip(motions, scores, strict=True)
            for candidate in candidates_of(store, asked, motion_ref, score_ref, config.judging.judge)
        ]
        decided = find_decided_pairs(row for ref in comparisons for row in store.read(ref).to_pylist())
        rows = [
            {
                "prompt_id": pair.prompt_id,
                "prompt": pair.text,
                "task": pair.task,
                "split": pair.split,
                "events": asked[pair.prompt_id]["events"],
                "chosen_tokens": list(pair.chosen_tokens),
                "rejected_tokens": list(pair.rejected_tokens),
                "chosen_score": pair.chosen_score,
                "rejected_score": pair.rejected_score,
                "margin": pair.margin,
                "degree": pair.degree,
                "decided_by": pair.decided_by,
                "chosen_motion_id": pair.chosen_id,
                "rejected_motion_id": pair.rejected_id,
            }
            for pair in build_pairs(candidates, config.preferences, decided)
        ]
        writer.rows(rows)

    return once(store, recipe, compute)


def pairs_to_train_on(store: Store, preferences: ArtifactRef, config: RunConfig) -> Iterator[list[dict[str, Any]]]:
    """Batches of the pairs of training prompts, of the tasks that are tuned on. AtomError where there are none of these
    tasks, or where they are of motions without tokens."""
    found = 0
    for batch in store.read(preferences, columns=PAIR_COLUMNS).to_batches(max_chunksize=1000):
        rows = [row for row in batch.to_pylist() if row["split"] == "train" and _is_tuned_on(row["task"], config)]
        if not all(row["chosen_tokens"] and row["rejected_tokens"] for row in rows):
            raise AtomError(
                "these pairs are of motions without codebook tokens, which tuning needs: export them with their joints "
                "(`atom preferences export --motions`) and tune the generator that made them"
            )
        found += len(rows)
        yield rows
    if not found and config.tuning.tasks is not None:
        raise AtomError(
            f"no pair is of tuning.tasks ({', '.join(config.tuning.tasks)}): lower preferences.min_gap, raise "
            "generation.candidates, or leave tuning.tasks out"
        )


@needs("gpu")
def make_adapter(
    root: str, config: RunConfig, preferences: ArtifactRef, initial: ArtifactRef | None = None
) -> ShardResult:
    """The tuned LoRA adapter in peft's format, with the tuning curves as its table; `initial` is the adapter of the
    round before. A tuning that was cut off goes on from its last checkpoint."""
    store = Store(root)
    inputs = [preferences.key, *([initial.key] if initial else [])]
    settings = config.tuning.model_dump(
        exclude={"micro_batch_size", "gradient_checkpointing", "tasks"}
    )  # the first two change no result
    settings |= _tasks(config) | _validation_settings(config)
    recipe = Recipe(
        "adapter",
        4,
        CURVES,
        config=settings,
        seed=config.training_seed,
        weights=generator_identity(config),
        inputs=inputs,
    )

    def compute(writer: Any) -> None:
        progress: Progress | None = None

        def told(done: int, total: int, row: dict[str, Any]) -> None:
            nonlocal progress
            progress = progress or Progress("steps of tuning", total)
            progress.update(done, f"loss {row['loss']:.2f} accuracy {row['accuracy']:.2f}")
            log(done, row)

        with ExitStack() as stack:
            log = stack.enter_context(curves_of(config, f"adapter-{recipe.key[:12]}"))
            work = stack.enter_context(store.scratch("adapter", recipe.key))
            before = stack.enter_context(store.folder(initial)) if initial else None
            work.mkdir(parents=True, exist_ok=True)
            batches = pairs_to_train_on(store, preferences, config)
            pairs = PairFile.write(work / PAIRS_FILE, ([_training_pair(row) for row in rows] for rows in batches))
            if config.resources.processes > 1:
                rows = tune_distributed(config, writer.folder, work, before, told)
            else:
                rows = tune(
                    generator_to_tune(config),
                    pairs,
                    config.tuning,
                    config.training_seed,
                    writer.folder,
                    told,
                    work,
                    init_adapter=before,
                    validation=build_validation(config),
                )
        for name in ADAPTER_FILES:
            writer.record(name)
        writer.rows(rows)

    return once(store, recipe, compute)


def _training_pair(row: dict[str, Any]) -> TrainingPair:
    return TrainingPair(row["prompt"], tuple(row["chosen_tokens"]), tuple(row["rejected_tokens"]), row["degree"])


def _validation_settings(config: RunConfig) -> dict[str, Any]:
    """What a key says of how the best adapter is found; nothing where the last one is taken."""
    if not config.validation.prompts_per_task:
        return {}
    asked = config.prompts.model_dump(include={"tasks", "max_events", "max_count"})
    return {
        "validation": config.validation.model_dump(),
        "validation_prompts": asked | {"seed": config.seed},
        "validation_seeds": read_seeds(config.prompts.seeds).digest,
        "sampling": config.generation.sampling,
        "sensitivity": config.judging.sensitivity,
    }


@needs("gpu")
def make_reward_model(root: str, config: RunConfig, preferences: Sequence[ArtifactRef]) -> ShardResult:
    """A network that learned from the pairs of all rounds what the judge likes, with a row an epoch as the table. Goes
    on after the last whole epoch where it was cut off."""
    store, settings = Store(root), config.reward_model
    recipe = Recipe(
        "reward-model",
        1,
        REWARD_MODEL_CURVES,
        config=settings.model_dump() | _tasks(config),
        seed=config.training_seed,
        weights=generator_identity(config),
        inputs=_keys(preferences),
    )

    def compute(writer: Any) -> None:
        pairs = [
            RewardPair(
                row["prompt"],
                tuple(row["chosen_tokens"]),
                tuple(row["rejected_tokens"]),
                row["chosen_score"],
                row["rejected_score"],
                row["degree"],
            )
            for ref in preferences
            for rows in pairs_to_train_on(store, ref, config)
            for row in rows
        ]
        generator = generator_to_tune(config)
        progress = Progress("epochs of the reward model", settings.num_train_epochs)

        def told(done: int, total: int, row: dict[str, Any]) -> None:
            progress.update(done, f"held-out accuracy {row['accuracy']:.2f}")

        with store.scratch("reward-model", recipe.key) as work:
            rows = train_reward_model(generator, pairs, settings, config.training_seed, writer.folder, told, work)
        for name in REWARD_MODEL_FILES:
            writer.record(name)
        writer.rows(rows)

    return once(store, recipe, compute)


@needs("gpu")
def make_on_policy_adapter(
    root: str, config: RunConfig, prompts: ArtifactRef, initial: ArtifactRef, reward_model: ArtifactRef | None = None
) -> ShardResult:
    """The adapter tuned on with the judge in the loop, or with a reward model in its place, with its curve as the
    table. Goes on where it was cut off."""
    store, settings = Store(root), config.on_policy
    shared = {
        "sampling": config.generation.sampling,
        **_validation_settings(config),
        "lora": config.tuning.model_dump(include=LORA_FIELDS) | _tasks(config),
    }
    if reward_model is None:
        rewarding = {
            "on_policy": settings.model_dump(exclude={"reward"}),
            "judging": config.judging.model_dump(include={"judge", "sensitivity"}),
        }
    else:
        rewarding = {"on_policy": settings.model_dump(exclude={"exact_weight"})}
    recipe = Recipe(
        "on-policy",
        4,
        REWARD_CURVES,
        seed=config.training_seed,
        config=rewarding | shared,
        inputs=[prompts.key, initial.key, *([reward_model.key] if reward_model else [])],
        weights=generator_identity(config),
    )

    def compute(writer: Any) -> None:
        asked = [
            RolloutPrompt(row["text"], row["task"], events_of(row))
            for row in prompts_of(store, prompts, "train")
            if _is_tuned_on(row["task"], config)
        ]
        generator = generator_to_tune(config)
        reward = _reward(store, config, generator, reward_model)
        progress = Progress("on-policy steps", settings.steps)

        def told(done: int, total: int, row: dict[str, Any]) -> None:
            progress.update(done, f"reward {row['reward']:.2f}")
            log(done, row)

        with (
            curves_of(config, f"on-policy-{recipe.key[:12]}") as log,
            store.scratch("on-policy", recipe.key) as work,
            store.folder(initial) as before,
        ):
            rows = tune_on_policy(
                generator,
                asked,
                reward,
                settings,
                config.tuning,
                config.generation,
                config.training_seed,
                writer.folder,
                told,
                work,
                init_adapter=before,
                validation=build_validation(config),
            )
        for name in ADAPTER_FILES:
            writer.record(name)
        writer.rows(rows)

    return once(store, recipe, compute)


def _is_tuned_on(task: str, config: RunConfig) -> bool:
    return config.tuning.tasks is None or task in config.tuning.tasks


def _tasks(config: RunConfig) -> dict[str, Any]:
    """What a key says of the tasks that are tuned on, if that is not all."""
    return {} if config.tuning.tasks is None else {"tasks": sorted(set(config.tuning.tasks))}


def _reward(store: Store, config: RunConfig, generator: Generator, model: ArtifactRef | None) -> RewardFunction:
    if model is not None:
        with store.folder(model) as folder:
            return RewardModel.load(folder, generator)
    judging = config.judging
    return JudgeReward(
        make_judge(judging.judge, judging),
        generator.decode,
        config.on_policy.exact_weight,
        f"{judging.judge} {judging.sensitivity}",
    )


def make_evaluation(
    root: str, config: RunConfig, prompts: ArtifactRef, arms: dict[str, list[tuple[ArtifactRef, list[ArtifactRef]]]]
) -> ShardResult:
    """A row for each test motion of each arm and judge: score, length against the truth, foot skate, jerk, descriptor.

    `arms` maps an arm to its shards of motions, each with the scores that every judge gave it. The arm "best of N" is
    added: of the N samples of the base, the one that the judge who chose the preferences likes best, or, where that
    judge has no part in the evaluation, the first of the others.
    """
    store = Store(root)
    inputs = [prompts.key]
    inputs += [key for arm in sorted(arms) for motions, scores in arms[arm] for key in (motions.key, *_keys(scores))]
    recipe = Recipe(
        "evaluation",
        5,
        EVALUATION,
        inputs=inputs,
        config={"arms": sorted(arms), "judges": list(config.evaluation.judges), "chosen_by": config.judging.judge},
    )

    def compute(writer: Any) -> None:
        asked = {row["prompt_id"]: row for row in store.read(prompts).to_pylist()}
        columns = ["motion_id", "judge", "score", "exact"]
        rows = []
        for arm, shards in sorted(arms.items()):
            for motions, scores in shards:
                made = {
                    row["motion_id"]: _evaluated(row, asked[row["prompt_id"]], arm)
                    for row in motions_of(store.read(motions))
                }
                for (motion_id, judge), score in aggregate_votes(
                    row for ref in scores for row in store.read(ref, columns=columns).to_pylist()
                ).items():
                    if judge != SECOND_JUDGE:
                        told = {"judge": judge, "score": score["score"], "exact": score["exact"]}
                        rows.append(made[motion_id] | told)
        judges = config.evaluation.judges
        writer.rows(rows + _best_of_n(rows, config.judging.judge if config.judging.judge in judges else judges[0]))

    return once(store, recipe, compute)


def _evaluated(motion: dict[str, Any], prompt: dict[str, Any], arm: str) -> dict[str, Any]:
    """What can be said of a motion without a judge."""
    joints = joints_of(motion)
    long_enough = len(joints) > 4
    skate = float(foot_skate(joints)) if long_enough else float("nan")
    return {
        "prompt_id": motion["prompt_id"],
        "motion_id": motion["motion_id"],
        "task": prompt["task"],
        "arm": arm,
        "sample": motion["sample"],
        "seed": motion["seed"],
        "frames": motion["frames"],
        "true_frames": expected_length(events_of(prompt)),
        "foot_skate": skate if np.isfinite(skate) else None,
        "jerk": float(mean_jerk(joints)) if long_enough else None,
        "descriptor": motion_descriptor(joints) if long_enough else None,
    }


def _best_of_n(rows: list[dict[str, Any]], judge: str) -> list[dict[str, Any]]:
    """The rows of the base's best motion of each prompt; nothing where there is only one to choose from."""
    base = [row for row in rows if row["arm"] == "base"]
    samples = len({row["sample"] for row in base})
    best: dict[str, dict[str, Any]] = {}
    for row in base:
        if row["judge"] == judge and (row["score"] or 0) > best.get(row["prompt_id"], {"score": 0})["score"]:
            best[row["prompt_id"]] = row
    chosen = {row["motion_id"] for row in best.values()}
    return [row | {"arm": f"best of {samples}"} for row in base if samples > 1 and row["motion_id"] in chosen]


def _keys(refs: Sequence[ArtifactRef]) -> list[str]:
    return [ref.key for ref in refs]


def joints_of(motion: dict[str, Any]) -> np.ndarray:
    return np.asarray(motion["joints"], np.float32).reshape(-1, 22, 3)


def events_of(prompt: dict[str, Any]) -> tuple[Event, ...]:
    return tuple(Event(row["action"], row["count"], row["phrase"]) for row in prompt["events"])
