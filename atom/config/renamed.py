"""Names of config keys until version 0.1, so that an old config gets one line with the new name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEYS = {
    "imported": "external",
    "imported.unsure": "external.include_unsure_pairs",
    "external.unsure": "external.include_unsure_pairs",
    "round_gain": "min_round_gain",
    "prompts.llm.least_share": "prompts.llm.min_accepted_fraction",
    "judging.vision.sight": "judging.vision.frames",
    "judging.vision.least_scored": "judging.vision.min_scored_fraction",
    "tuning.loss": "tuning.loss_type",
    "tuning.log_probability": "tuning.average_log_prob (true or false)",
    "tuning.chosen_weight": "tuning.sft_weight",
    "tuning.rank": "tuning.r",
    "tuning.alpha": "tuning.lora_alpha",
    "tuning.rank_stabilised": "tuning.use_rslora",
    "tuning.dora": "tuning.use_dora",
    "tuning.targets": "tuning.target_modules",
    "tuning.at_once": "tuning.micro_batch_size",
    "tuning.recompute": "tuning.gradient_checkpointing",
    "tuning.epochs": "tuning.num_train_epochs",
    "tuning.gradient_clip": "tuning.max_grad_norm",
    "tuning.most_drift": "tuning.max_drift",
    "tuning.precision": "tuning.bf16 (true or false)",
    "on_policy.samples": "on_policy.num_generations",
    "on_policy.kl": "on_policy.kl_coef",
    "on_policy.gradient_clip": "on_policy.max_grad_norm",
    "on_policy.most_drift": "on_policy.max_drift",
    "validation.every": "validation.eval_steps",
    "validation.patience": "validation.early_stopping_patience",
    "reward_model.epochs": "reward_model.num_train_epochs",
    "reward_model.gradient_clip": "reward_model.max_grad_norm",
    "evaluation.cooler": "evaluation.low_temperature_factor",
    "evaluation.gallery": "evaluation.num_examples",
    "resources.tensorboard": "resources.trackers=[tensorboard] with resources.logging_dir",
}
_VALUES = {("evaluation.baselines", "cooler"): "low_temperature"}


def new_name(key: str, value: object) -> str | None:
    """What became of a key or value that the config does not know.

    Args:
        key: where it stands, such as "tuning.rank"; a list adds the place in it.
        value: what stands there.

    Returns:
        One line with the new name; None for what never was a key or value.
    """
    for old, new in _KEYS.items():
        # A section is checked on its own, or its name is the start of the key.
        if key == old or old.endswith(f".{key}"):
            return f"config key {old!r} is now {new!r}"
    field = key.rstrip("0123456789").rstrip(".")
    for (place, old), new in _VALUES.items():
        if field == place and value == old:
            return f"config key {place!r}: {old!r} is now {new!r}"
    return None


def find_renamed_key(config: Mapping[str, Any]) -> str | None:
    """The line of `new_name` for the first old key in nested dicts, such as an old run's config; None without one."""
    for old in _KEYS:
        section: Any = config
        for name in old.split("."):
            section = section.get(name) if isinstance(section, Mapping) else None
        if section is not None:
            return new_name(old, section)
    return None


def without_unset_keys(config: Mapping[str, Any], section: str = "") -> dict[str, Any]:
    """A copy of a config without the old keys that are null: records of older runs name them, and they say nothing.

    Args:
        config: nested dicts.
        section: the name of the section that it is, with a dot behind; empty for a whole config.

    Returns:
        The copy.
    """
    return {
        key: without_unset_keys(value, f"{section}{key}.") if isinstance(value, Mapping) else value
        for key, value in config.items()
        if value is not None or f"{section}{key}" not in _KEYS
    }
