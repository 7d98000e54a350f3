"""Config of the evaluation: judges, baselines and text-to-motion metrics."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atom.config.base import ConfigSection


class MetricsConfig(ConfigSection):
    """Text-to-motion metrics by Guo's protocol: FID, R-Precision, MM-Dist, Diversity, MultiModality."""

    evaluator: str = Field(
        "built-in",
        description="the network that embeds texts and motions: 'built-in' (small, trained on the built-in corpus), or "
        "Guo's finest.tar, which needs a dataset with tagged captions",
    )
    variant: Literal["guo", "motiongpt"] = Field(
        "guo", description="motiongpt: padding counts too, as in the published numbers of MotionGPT and AToM"
    )
    words: str | None = Field(None, description="folder of Guo's word vectors (our_vab_*), for finest.tar")
    mean: str | None = Field(None, description=".npy, the mean that finest.tar was trained with; null: the dataset's")
    std: str | None = Field(None, description=".npy, the standard deviation; null: the dataset's")
    dataset: str | None = Field(
        None, description="folder of HumanML3D that gives captions and real motions; null: the run's test prompts"
    )
    split: Literal["test", "val", "train"] = "test"
    captions: int = Field(0, ge=0, description="most captions of the dataset; 0: all")
    samples: int = Field(1, ge=1, description="motions for each caption of the dataset; MultiModality needs two")
    replications: int = Field(20, ge=2)
    diversity_pairs: int = Field(300, ge=1)
    multimodality_pairs: int = Field(10, ge=1)


class EvaluationConfig(ConfigSection):
    """How base and tuned are compared."""

    temperature: float | None = Field(
        None, ge=0, description="of the test motions; 0: greedy decoding; null: as generation.temperature"
    )
    metrics: MetricsConfig | None = Field(MetricsConfig(), description="null: none")
    judges: tuple[Literal["kinematic", "learned", "vision"], ...] = Field(
        ("kinematic", "learned"), min_length=1, description="the report shows the evidence of the first"
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
