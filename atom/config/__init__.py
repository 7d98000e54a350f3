"""What a run does, as data. Every field that changes a result is part of the artifact keys.

A section is a class beside those of its topic; `RunConfig` holds them all. Keys follow peft, transformers and TRL where
these have the setting.
"""

from atom.config.base import Combination, ConfigSection, Degree, View
from atom.config.evaluation import EvaluationConfig, MetricsConfig
from atom.config.evaluator import EvaluatorConfig
from atom.config.external import ExternalConfig
from atom.config.generation import GenerationConfig
from atom.config.judging import FramesConfig, JudgingConfig, VisionConfig
from atom.config.loading import load_config, load_section, parse_config, set_override
from atom.config.operation import GateConfig, ResourceConfig, ServiceConfig
from atom.config.preferences import PreferenceConfig
from atom.config.prompts import PromptConfig, WriterConfig
from atom.config.rendering import RenderingConfig
from atom.config.run import RunConfig
from atom.config.tuning import (
    STEP_LOSSES,
    OnPolicyConfig,
    RewardModelConfig,
    RewardNetwork,
    TuningConfig,
    ValidationConfig,
)

__all__ = [
    "STEP_LOSSES",
    "Combination",
    "ConfigSection",
    "Degree",
    "EvaluationConfig",
    "EvaluatorConfig",
    "ExternalConfig",
    "FramesConfig",
    "GateConfig",
    "GenerationConfig",
    "JudgingConfig",
    "MetricsConfig",
    "OnPolicyConfig",
    "PreferenceConfig",
    "PromptConfig",
    "RenderingConfig",
    "ResourceConfig",
    "RewardModelConfig",
    "RewardNetwork",
    "RunConfig",
    "ServiceConfig",
    "TuningConfig",
    "ValidationConfig",
    "View",
    "VisionConfig",
    "WriterConfig",
    "load_config",
    "load_section",
    "parse_config",
    "set_override",
]
