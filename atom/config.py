"""What a run does, as data. Every field that changes a result is part of the artifact keys; `resources` never is."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PromptConfig(Section):
    """How many event-level prompts are written for each task and split."""

    train_per_task: int = Field(120, ge=1, description="prompts a task to collect preferences on")
    test_per_task: int = Field(120, ge=1, description="held-out prompts a task to compare base and tuned on")
    max_events: int = Field(4, ge=1, le=4)
    max_count: int = Field(5, ge=1, le=5)


class GenerationConfig(Section):
    """How motions are sampled from the generator."""

    checkpoint: str = Field("builtin", description="'builtin' or a folder written by `atom pretrain`")
    candidates: int = Field(8, ge=2, description="motions sampled for each training prompt")
    evaluation_samples: int = Field(2, ge=1, description="motions sampled for each test prompt, of base and of tuned")
    temperature: float = Field(1.0, gt=0)
    top_k: int = Field(50, ge=0, description="0 keeps the whole vocabulary")
    max_new_tokens: int = Field(60, ge=4, le=256)


class RenderingConfig(Section):
    """What is drawn of the candidates. The kinematic judge needs no picture, so a preview is the default."""

    motions: Literal["preview", "all"] = "preview"
    preview_prompts: int = Field(6, ge=0, description="training prompts whose candidates are drawn under 'preview'")
    size: int = Field(320, ge=64, le=1024, description="pixels of a frame's side")
    every: int = Field(8, ge=1, description="the contact sheet shows every n-th frame")


class JudgingConfig(Section):
    """Who scores and how strictly."""

    judge: Literal["kinematic"] = "kinematic"
    sensitivity: float = Field(1.0, gt=0.2, lt=5, description="above 1 the judge accepts smaller movements")


class PreferenceConfig(Section):
    """How scored motions become pairs."""

    min_gap: float = Field(0.5, gt=0, description="least score difference of a pair")
    pairs_per_prompt: int = Field(6, ge=1)


class TuningConfig(Section):
    """LoRA and the preference loss."""

    loss: Literal["ipo"] = "ipo"
    log_probability: Literal["average", "sum"] = "sum"
    beta: float = Field(0.1, gt=0)
    chosen_weight: float = Field(0.2, ge=0, description="weight of the likelihood of the chosen motion")
    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    targets: Literal["all-linear", "q,v"] = "all-linear"
    learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(20, ge=0)
    batch_size: int = Field(16, ge=1, description="pairs a step")
    epochs: int = Field(3, ge=1)
    max_steps: int = Field(0, ge=0, description="0: as many as the epochs hold")
    gradient_clip: float = Field(1.0, gt=0)


class EvaluationConfig(Section):
    """How the comparison is summarised."""

    bootstrap: int = Field(2000, ge=100)
    gallery: int = Field(6, ge=0, description="prompts shown side by side in the report")


class ResourceConfig(Section):
    """Where and how fast the work is done. Never part of a key."""

    device: str = Field("cpu", description="cpu, cuda, cuda:1, mps")
    workers: int = Field(2, ge=1, description="processes that compute shards")
    batch_size: int = Field(64, ge=1, description="motions generated at once")
    retries: int = Field(2, ge=0)


class RunConfig(Section):
    """One pass through the pipeline."""

    name: str = Field("default", pattern=r"^[a-zA-Z0-9][a-zA-Z0-9 ._-]*$")
    seed: int = Field(0, ge=0, description="prompts and sampling")
    training_seed: int = Field(0, ge=0, description="order of the pairs and start of the adapter")
    prompts_per_shard: int = Field(40, ge=1)
    prompts: PromptConfig = PromptConfig()
    generation: GenerationConfig = GenerationConfig()
    rendering: RenderingConfig = RenderingConfig()
    judging: JudgingConfig = JudgingConfig()
    preferences: PreferenceConfig = PreferenceConfig()
    tuning: TuningConfig = TuningConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    resources: ResourceConfig = ResourceConfig()
