"""Config of all that trains: the preference loss, the judge in the loop, validation and the reward model.

Keys follow peft's LoraConfig and the trainers of transformers and TRL where these have the setting.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from atom.config.base import ConfigSection, Degree
from atom.events import Task

STEP_LOSSES = ("kto", "kto_unpaired")  # compare the motions of a whole step, so a step can't be split
_MAX_GRAD_NORM_HELP = "norm of the gradient, above which it is scaled down"
_MAX_DRIFT_HELP = "nats a token by which the policy may move away before tuning stops as diverging"
RewardNetwork = Literal["whole", "encoder"]


class TuningConfig(ConfigSection):
    """LoRA and the preference loss."""

    tasks: tuple[Task, ...] | None = Field(
        None, min_length=1, description="tune on the pairs of these tasks only; null: on all"
    )
    loss_type: Literal["ipo", "dpo", "hinge", "kto", "kto_unpaired", "orpo", "simpo", "sft"] = Field(
        "ipo",
        description="orpo and simpo need no reference model; kto_unpaired takes each motion by itself, good or bad; "
        "sft fine-tunes on the chosen motions only, as a baseline",
    )
    average_log_prob: bool = Field(
        False,
        description="the log-probability of a motion is the mean over its tokens, not the sum; orpo and simpo need it",
    )
    vocabulary: Literal["all", "motion"] = Field(
        "all",
        description="tokens that the probabilities are normalised over; motion: those that sampling draws from, which "
        "is a third faster",
    )
    beta: float = Field(0.1, gt=0, description="in orpo, the weight of the odds ratio")
    target_margin: float = Field(0.5, ge=0, description="simpo's gamma / beta")
    label_smoothing: float = Field(0.0, ge=0, lt=0.5, description="fraction of pairs expected to be labelled wrongly")
    degree_smoothing: dict[Degree, Annotated[float, Field(ge=0, lt=0.5)]] = Field(
        {}, description="label smoothing by the degree of a preference; overrides label_smoothing"
    )
    sft_weight: float = Field(1.0, ge=0, description="weight of the negative log-likelihood of the chosen motion")
    r: int = Field(16, ge=1, description="rank of the LoRA matrices")
    lora_alpha: int = Field(32, ge=1, description="LoRA is scaled by lora_alpha / r")
    use_rslora: bool = Field(False, description="scale by lora_alpha / sqrt(r), for high ranks")
    use_dora: bool = Field(False, description="tune magnitude and direction of the weights separately")
    target_modules: str = Field(
        "all-linear", pattern=r"^[\w-]+(,[\w-]+)*$", description="names of the layers that get LoRA, such as q,v"
    )
    learning_rate: float = Field(1e-3, gt=0, description="the highest, at the end of the warm-up")
    warmup_steps: int = Field(20, ge=0, description="at most half of all steps")
    batch_size: int = Field(16, ge=1, description="pairs a step")
    micro_batch_size: int = Field(
        0, ge=0, description="pairs of a step in memory at the same time, with the same result; 0: all of them"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations again in the backward pass: less memory, more time"
    )
    num_train_epochs: int = Field(1, ge=1, description="passes over the pairs")
    max_steps: int = Field(0, ge=0, description="stop after this many steps; 0: at the end of the epochs")
    max_grad_norm: float = Field(1.0, gt=0, description=_MAX_GRAD_NORM_HELP)
    max_drift: float = Field(1.0, gt=0, description=_MAX_DRIFT_HELP)
    bf16: bool = Field(False, description="matrix products in bfloat16; weights and losses stay float32")

    @property
    def log_prob_reduction(self) -> Literal["average", "sum"]:
        """How the log-probabilities of a motion's tokens become one number."""
        return "average" if self.average_log_prob else "sum"

    @model_validator(mode="after")
    def _check_combination(self) -> TuningConfig:
        if self.loss_type in ("orpo", "simpo") and not self.average_log_prob:
            raise ValueError(f"{self.loss_type} needs averaged log-probabilities: set average_log_prob to true")
        if self.loss_type in STEP_LOSSES and self.micro_batch_size:
            raise ValueError(f"{self.loss_type} compares all motions of a step: leave micro_batch_size at 0")
        if self.vocabulary == "motion" and "lm_head" in self.target_modules.split(","):
            raise ValueError("vocabulary motion does not tune the output layer: leave lm_head out of target_modules")
        if self.degree_smoothing and self.loss_type not in ("ipo", "dpo", "hinge", "simpo"):
            raise ValueError(f"{self.loss_type} takes no label smoothing: leave degree_smoothing empty")
        return self


class OnPolicyConfig(ConfigSection):
    """The last part of tuning: the policy samples motions, they get rewards, and the better ones become likelier."""

    steps: int = Field(90, ge=0, description="0: none, and the adapter tuned on preferences is the result")
    prompts: int = Field(16, ge=1, description="prompts a step")
    num_generations: int = Field(8, ge=2, description="motions sampled for each prompt")
    advantage: Literal["rloo", "grpo"] = Field(
        "rloo",
        description="rloo: reward minus the mean of the prompt's other motions; grpo: minus the mean of all, in "
        "standard deviations",
    )
    reward: Literal["judge", "model"] = Field(
        "judge",
        description="model: a network that learns the judge's taste from the pairs of all rounds, for a judge that is "
        "too slow or expensive to score every step",
    )
    exact_weight: float = Field(
        0.5, ge=0, le=1, description="weight of exact match in the judge's reward; the score has the rest"
    )
    kl_coef: float = Field(0.02, ge=0, description="weight of the KL divergence from the reference model")
    learning_rate: float = Field(1e-3, gt=0, description="the highest, at the end of the warm-up")
    warmup_steps: int = Field(10, ge=0, description="at most half of all steps")
    max_grad_norm: float = Field(1.0, gt=0, description=_MAX_GRAD_NORM_HELP)
    max_drift: float = Field(1.0, gt=0, description=_MAX_DRIFT_HELP)


class ValidationConfig(ConfigSection):
    """Early stopping.

    The kinematic judge scores motions for prompts that are in neither training nor test while tuning runs; the adapter
    with the best score is kept.
    """

    prompts_per_task: int = Field(40, ge=0, description="0: no validation, and the last adapter is kept")
    eval_steps: int = Field(
        50, ge=1, description="fewest steps between two validations; there are at most ten, the last one at the end"
    )
    early_stopping_patience: int = Field(2, ge=1, description="tuning stops after this many worse validations in a row")


class RewardModelConfig(ConfigSection):
    """The network that learns the judge's taste from preferences, for on_policy.reward=model."""

    network: RewardNetwork = Field(
        "whole",
        description="a copy of the generator's T5; whole: its encoder reads the text and its decoder the motion; "
        "encoder: the encoder alone reads both",
    )
    margin: float = Field(1.0, ge=0, description="difference of the rewards for each point of the score gap")
    held_out: float = Field(0.2, gt=0, lt=1, description="fraction of the prompts on which accuracy is measured")
    num_train_epochs: int = Field(
        3, ge=1, description="most epochs; the weights with the best held-out accuracy are kept"
    )
    prompts: int = Field(8, ge=1, description="prompts a step, with all their pairs")
    learning_rate: float = Field(3e-4, gt=0, description="the highest, at the end of the warm-up")
    warmup_steps: int = Field(10, ge=0, description="at most half of all steps")
    max_grad_norm: float = Field(1.0, gt=0, description=_MAX_GRAD_NORM_HELP)
