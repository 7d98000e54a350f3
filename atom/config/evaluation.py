"""Config of the evaluation: judges, baselines and text-to-motion metrics."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atom.config.base import ConfigSection
from atom.config.evaluator import EvaluatorConfig


class MetricsConfig(EvaluatorConfig):
    """Text-to-motion metrics by Guo's protocol: FID, R-Precision, MM-Dist, Diversity, MultiModality."""

    captions: int = Field(0, ge=0, description="most captions of the dataset; 0: all")
    samples: int = Field(1, ge=1, description="motions for each caption of the dataset; MultiModality needs two")
    replications: int = Field(20, ge=2, description="repetitions with other random draws, for mean and interval")
    diversity_pairs: int = Field(300, ge=1, description="random pairs of motions behind Diversity")
    multimodality_pairs: int = Field(10, ge=1, description="random pairs of motions of a text behind MultiModality")


class EvaluationConfig(ConfigSection):
    """How base and tuned are compared."""

    temperature: float | None = Field(
        None, ge=0, description="of the test motions; 0: greedy decoding; null: as generation.temperature"
    )
    metrics: MetricsConfig | None = Field(MetricsConfig(), description="null: none")
    judges: tuple[Literal["kinematic", "learned", "vision", "auto", "retrieval"], ...] = Field(
        ("kinematic", "learned"),
        min_length=1,
        description="the report shows the evidence of the first; see judging.judge",
    )
    baselines: tuple[Literal["low_temperature", "sft", "dpo"], ...] = Field(
        ("low_temperature", "sft"),
        description="what tuning has to beat besides best of N: the base at a lower temperature, fine-tuning on the "
        "chosen motions only, DPO",
    )
    low_temperature_factor: float = Field(
        0.7, gt=0, lt=1, description="factor of the temperature in the baseline low_temperature"
    )
    bootstrap: int = Field(2000, ge=100, description="resamples of the paired bootstrap over prompts")
    num_examples: int = Field(4, ge=0, description="examples in the report: largest gains, largest losses, random")
