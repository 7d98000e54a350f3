"""Config of the network that embeds texts and motions, for the metrics and for the retrieval judge."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atom.config.base import ConfigSection


class EvaluatorConfig(ConfigSection):
    """An evaluator: one space for texts and motions."""

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
    split: Literal["test", "val", "train"] = Field("test", description="split of the dataset")
