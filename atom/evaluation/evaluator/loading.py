"""Loads the evaluator that a config names."""

from __future__ import annotations

from pathlib import Path

from atom.config import EvaluatorConfig
from atom.errors import AtomError
from atom.evaluation.evaluator.base import Evaluator
from atom.evaluation.evaluator.guo_evaluator import load_guo_evaluator
from atom.evaluation.evaluator.small_evaluator import load_small_evaluator
from atom.humanml3d.dataset import HumanML3D
from atom.motion.feature_statistics import FeatureStatistics, read_statistics


def load_evaluator(settings: EvaluatorConfig, device: str = "cpu") -> Evaluator:
    """Load the evaluator that a config names.

    Args:
        settings: names the evaluator and its files.
        device: a torch device.

    Raises:
        AtomError: names what is missing or does not fit.
    """
    if settings.evaluator == "built-in":
        return load_small_evaluator(device=device)
    if settings.words is None:
        raise AtomError("Guo's evaluator needs its word vectors: give the key words beside the key evaluator")
    statistics = _read_statistics(settings)
    return load_guo_evaluator(
        Path(settings.evaluator), Path(settings.words), statistics.mean, statistics.std, settings.variant, device
    )


def _read_statistics(settings: EvaluatorConfig) -> FeatureStatistics:
    if settings.mean and settings.std:
        return read_statistics(Path(settings.mean), Path(settings.std))
    if settings.mean or settings.std:
        raise AtomError("evaluation.metrics.mean and .std belong together: give both, or none for the dataset's")
    if settings.dataset is None:
        raise AtomError("Guo's evaluator needs a mean and std: give evaluation.metrics.mean and .std, or a dataset")
    return HumanML3D(settings.dataset).read_statistics()
