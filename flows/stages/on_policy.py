"""Stage `on-policy adapter`: the adapter tuned on with rewards for its own motions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atom.config import RunConfig
from atom.errors import AtomError
from atom.generation.generator import Generator
from atom.judging.judges import judge_key_fields, make_judge
from atom.tuning.on_policy import tune_on_policy
from atom.tuning.reward_model import RewardModel
from atom.tuning.rewards import JudgeReward, RewardFunction, RolloutPrompt
from atom.tuning.trainer_state import read_saved_curve
from atom.tuning.validation import build_validation
from flows.progress import Progress
from flows.stages.adapter import commit_adapter, task_key_fields, validation_key_fields
from flows.stages.generators import generator_key_fields, load_generator_to_tune
from flows.stages.preferences import is_tuned_on
from flows.stages.shard import ShardResult, compute_or_reuse, requires_resource
from flows.stages.tables import prompt_events, read_prompts
from flows.trackers import log_live
from storage import REWARD_CURVES, ArtifactRef, Recipe, Store

_LORA_FIELDS = {"r", "lora_alpha", "use_rslora", "use_dora", "target_modules", "vocabulary"}


@requires_resource("gpu")
def make_on_policy_adapter(
    root: str, config: RunConfig, prompts: ArtifactRef, initial: ArtifactRef, reward_model: ArtifactRef | None = None
) -> ShardResult:
    """Tunes an adapter on rewards for the policy's own motions. An interrupted tuning resumes from its last checkpoint.

    Args:
        root: folder or address of the store.
        config: the run's config.
        prompts: artifact of the prompts, of which those of the training split are used.
        initial: the adapter tuned on preferences.
        reward_model: gives the rewards; None for the judge.

    Returns:
        The adapter in peft's format, with the reward curve as its table.
    """
    store, settings = Store(root), config.on_policy
    shared = {
        "sampling": config.generation.sampling,
        **validation_key_fields(config),
        "lora": config.tuning.model_dump(include=_LORA_FIELDS) | task_key_fields(config),
    }
    weights = generator_key_fields(config)
    if reward_model is None:
        judging_fields, judge_weights = judge_key_fields(config.judging.judge, config)
        reward_fields = {"on_policy": settings.model_dump(exclude={"reward"}), "judging": judging_fields}
        weights |= judge_weights
    else:
        reward_fields = {"on_policy": settings.model_dump(exclude={"exact_weight"})}
    recipe = Recipe(
        "on-policy",
        4,
        REWARD_CURVES,
        seed=config.training_seed,
        config=reward_fields | shared,
        inputs=[prompts.key, initial.key, *([reward_model.key] if reward_model else [])],
        weights=weights,
    )

    def compute(writer: Any) -> None:
        rollout_prompts = [
            RolloutPrompt(row["text"], row["task"], prompt_events(row))
            for row in read_prompts(store, prompts, "train")
            if is_tuned_on(row["task"], config)
        ]
        generator = load_generator_to_tune(config)
        reward: RewardFunction
        if reward_model is None:
            rollout_prompts, reward = _load_judge(config, generator, rollout_prompts)
        else:
            with store.folder(reward_model) as folder:
                reward = RewardModel.load(folder, generator)
        progress = Progress("on-policy steps", settings.steps)

        def report(done: int, total: int, row: dict[str, Any]) -> None:
            progress.update(done, f"reward {row['reward']:.2f}")
            log_live([row])

        with (
            store.scratch("on-policy", recipe.key) as work,
            store.folder(initial) as before,
        ):
            log_live(read_saved_curve(work))
            rows = tune_on_policy(
                generator,
                rollout_prompts,
                reward,
                settings,
                config.tuning,
                config.generation,
                config.training_seed,
                writer.folder,
                report,
                work,
                init_adapter=before,
                validation=build_validation(config),
            )
        commit_adapter(writer, rows)

    return compute_or_reuse(store, recipe, compute)


def _load_judge(
    config: RunConfig, generator: Generator, prompts: Sequence[RolloutPrompt]
) -> tuple[list[RolloutPrompt], JudgeReward]:
    """The prompts that the judge can judge, and the reward by its scores.

    Raises AtomError when there is no such prompt.
    """
    judging = config.judging
    judge = make_judge(judging.judge, config)
    obstacles = [judge.find_obstacle(prompt) for prompt in prompts]
    judged = [prompt for prompt, obstacle in zip(prompts, obstacles, strict=True) if obstacle is None]
    if prompts and not judged:
        raise AtomError(
            f"the {judging.judge} judge can reward none of the {len(prompts)} training prompts ({obstacles[0]}): set "
            "on_policy.reward=model, which learns from the scores of any judge, or on_policy.steps=0"
        )
    fields, weights = judge_key_fields(judging.judge, config)
    identity = f"{judging.judge} {judging.sensitivity}"
    if weights:
        identity += f" {weights} {fields}"
    return judged, JudgeReward(judge, generator.decode, config.on_policy.exact_weight, identity)
