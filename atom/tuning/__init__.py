"""Preference tuning: losses, log-probabilities, the adapter and its training loop."""

from typing import TYPE_CHECKING

from atom.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from atom.tuning.losses import PreferenceLoss, bradley_terry, dpo, hinge, ipo, kto, kto_pair, orpo, simpo
    from atom.tuning.on_policy import tune_on_policy
    from atom.tuning.pairs import PairFile, TrainingPair
    from atom.tuning.preference_trainer import tune
    from atom.tuning.rewards import JudgeReward, RewardFunction, RolloutPrompt
    from atom.tuning.validation import Validation, build_validation

__all__, __getattr__, __dir__ = lazy_exports(__name__)
