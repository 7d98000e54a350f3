"""Evaluation: comparisons of models on the same prompts, confidence intervals, and the metrics of text-to-motion."""

from typing import TYPE_CHECKING

from atom.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from atom.evaluation.agreement import (
        cohens_kappa,
        fleiss_kappa,
        krippendorff_alpha,
        pair_accuracy,
        spearman,
        weighted_kappa,
    )
    from atom.evaluation.comparison import compare, tabulate_gains
    from atom.evaluation.generator_evaluation import compare_generators, evaluate, measure_motion
    from atom.evaluation.metrics import (
        Interval,
        frechet_distance,
        multimodality,
        r_precision,
        retrieval_ranks,
        text_to_motion_metrics,
    )

__all__, __getattr__, __dir__ = lazy_exports(__name__)
