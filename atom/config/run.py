"""The config of a whole run, and which settings go together."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from atom.config.base import ConfigSection
from atom.config.evaluation import EvaluationConfig
from atom.config.evaluator import EvaluatorConfig
from atom.config.external import ExternalConfig
from atom.config.generation import GenerationConfig
from atom.config.judging import JudgingConfig
from atom.config.operation import GateConfig, ResourceConfig, ServiceConfig
from atom.config.preferences import PreferenceConfig
from atom.config.prompts import PromptConfig
from atom.config.rendering import RenderingConfig
from atom.config.tuning import OnPolicyConfig, RewardModelConfig, TuningConfig, ValidationConfig


class RunConfig(ConfigSection):
    """One pass through the pipeline."""

    name: str = Field(
        "default",
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9 ._-]*$",
        description="what runs of this config share: retention, spending and external.runs go by it",
    )
    seed: int = Field(0, ge=0, description="seed of prompts and sampling")
    training_seed: int = Field(0, ge=0, description="seed of the adapter's initial weights and of the order of pairs")
    rounds: int = Field(2, ge=1, description="rounds of generation, scoring and tuning")
    round_prompts: Literal["share", "all"] = Field(
        "share", description="training prompts of a round: an equal share of them, or all of them each time"
    )
    min_round_gain: float | None = Field(
        None, description="the round that gains less in validation score is the last; null: all rounds run"
    )
    prompts_per_shard: int = Field(
        40, ge=1, description="prompts of a task run; it belongs to the keys, so another value computes anew"
    )
    prompts: PromptConfig = PromptConfig()
    generation: GenerationConfig = GenerationConfig()
    rendering: RenderingConfig = RenderingConfig()
    judging: JudgingConfig = JudgingConfig()
    preferences: PreferenceConfig = PreferenceConfig()
    tuning: TuningConfig = TuningConfig()
    on_policy: OnPolicyConfig = OnPolicyConfig()
    reward_model: RewardModelConfig = RewardModelConfig()
    validation: ValidationConfig = ValidationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    external: ExternalConfig = ExternalConfig()
    gates: GateConfig = GateConfig()
    service: ServiceConfig = ServiceConfig()
    resources: ResourceConfig = ResourceConfig()

    @property
    def tunes(self) -> bool:
        """Whether this run tunes a generator, or ends with pairs and a comparison of external motions."""
        return not self.external.motions or self.external.tune

    @property
    def judges(self) -> set[str]:
        """The judges of the pairs and of the evaluation."""
        return {self.judging.judge, *self.evaluation.judges}

    @property
    def has_known_actions_only(self) -> bool:
        """Whether the kinematic judge can see the actions of all prompts: those of the grammar, without others."""
        return self.prompts.writer == "grammar" and not self.external.motions

    @property
    def uses_vision(self) -> bool:
        """Whether a vision-language model may be asked about motions. The judge auto only asks about open actions."""
        return "vision" in self.judges or ("auto" in self.judges and not self.has_known_actions_only)

    @property
    def retrieval_evaluator(self) -> EvaluatorConfig:
        """The evaluator of the retrieval judge."""
        settings = self.judging.retrieval or self.evaluation.metrics or EvaluatorConfig()
        return EvaluatorConfig(**settings.model_dump(include=set(EvaluatorConfig.model_fields)))

    @model_validator(mode="after")
    def _check_combination(self) -> RunConfig:
        if self.judging.judge in ("vision", "auto") and self.on_policy.steps and self.on_policy.reward == "judge":
            raise ValueError(
                f"judging.judge={self.judging.judge} asks a vision-language model, which is too slow to score every "
                "on-policy step: set on_policy.reward=model, which learns from its scores, or on_policy.steps=0, or "
                "judging.judge=kinematic or retrieval"
            )
        if self.min_round_gain is not None and not self.validation.prompts_per_task:
            raise ValueError("min_round_gain is measured in validation: set validation.prompts_per_task above 0")
        _check_evaluation(self.evaluation, self.generation)
        if self.judging.retrieval is not None:
            _check_evaluator(self.judging.retrieval, "judging.retrieval")
        _check_external(self)
        if self.prompts.reader == "llm" and self.prompts.writer != "captions" and not self.external.motions:
            raise ValueError(
                "prompts.reader=llm reads captions, and this run has none: set prompts.writer=captions or give "
                "external motions, or leave prompts.reader out"
            )
        _check_tasks(self)
        return self


def _check_evaluation(evaluation: EvaluationConfig, generation: GenerationConfig) -> None:
    if evaluation.temperature == 0 and (generation.evaluation_samples > 1 or "low_temperature" in evaluation.baselines):
        raise ValueError(
            "at evaluation.temperature=0 all samples of a prompt are equal: set generation.evaluation_samples=1 and "
            "leave low_temperature out of evaluation.baselines"
        )
    if evaluation.metrics is not None:
        _check_evaluator(evaluation.metrics, "evaluation.metrics")


def _check_evaluator(settings: EvaluatorConfig, section: str) -> None:
    if settings.evaluator != "built-in" and not (settings.dataset and settings.words):
        raise ValueError(
            "Guo's evaluator needs captions with parts of speech and its own word vectors: give "
            f"{section}.dataset (HumanML3D) and {section}.words"
        )


def _check_external(config: RunConfig) -> None:
    external = config.external
    if bool(external.base) != bool(external.tuned):
        raise ValueError("external.base and external.tuned are compared with each other: give both or none")
    if external.tune and not external.candidates:
        raise ValueError("external.tune tunes on the pairs of external.candidates: give these too")
    if external.tune and external.base:
        raise ValueError(
            "external.tune makes a tuned model of its own, to which external.base and external.tuned do not belong: "
            "use two runs"
        )
    metrics = config.evaluation.metrics
    if external.base and metrics and (metrics.dataset or metrics.evaluator != "built-in"):
        raise ValueError(
            "external motions are measured on their own prompts by the built-in evaluator: leave out "
            "evaluation.metrics.dataset and .evaluator, or set evaluation.metrics=null"
        )
    if external.runs and (external.motions or external.preferences):
        raise ValueError("external.runs names pairs of this store: leave the other keys of external out")
    if external.preferences and external.motions:
        raise ValueError("external.preferences are tuned on as they are, external.candidates make pairs: give one")
    if (external.preferences or external.runs or external.tune) and config.rounds > 1:
        raise ValueError("external pairs or motions make one round: set rounds=1")


def _check_tasks(config: RunConfig) -> None:
    external = config.external
    brings_prompts = external.motions or external.preferences or external.runs
    if brings_prompts and not config.on_policy.steps:
        return
    if absent := set(config.tuning.tasks or ()) - set(config.prompts.tasks):
        raise ValueError(
            f"tuning.tasks names {' and '.join(sorted(absent))}, but prompts.tasks has only "
            f"{', '.join(config.prompts.tasks)}"
        )
