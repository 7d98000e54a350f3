"""The networks that AToM carries were trained with the defaults of the commands that train them."""

import json
from importlib.resources import files

import pytest

from atom.evaluation.evaluator.small_evaluator_training import SmallEvaluatorTrainingConfig
from atom.generation.pretraining import PretrainConfig
from atom.judging.learned_judge_training import JudgeTrainingConfig


@pytest.mark.parametrize(
    ("folder", "config"),
    [
        ("generation/builtin", PretrainConfig),
        ("evaluation/evaluator/small", SmallEvaluatorTrainingConfig),
        ("judging/learned", JudgeTrainingConfig),
    ],
)
def test_the_defaults_are_the_settings_of_what_is_built_in(folder, config):
    record = json.loads(files("atom").joinpath(folder, "training.json").read_text())
    settings = config().model_dump(mode="json")
    assert {name: settings[name] for name in record["config"]} == record["config"], "but for newer settings"
