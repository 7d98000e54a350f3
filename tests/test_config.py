"""The config: what it refuses, and what it says of keys of earlier versions."""

from typing import get_args

import pytest

from atom.config import ConfigSection, EvaluatorConfig, RunConfig, load_config, load_section, parse_config
from atom.config.renamed import find_renamed_key
from atom.config.tuning import TuningConfig
from atom.errors import AtomError


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("tuning.rank=8", "config key 'tuning.rank' is now 'tuning.r'"),
        ("tuning.log_probability=average", "config key 'tuning.log_probability' is now 'tuning.average_log_prob"),
        ("on_policy.kl=0.1", "config key 'on_policy.kl' is now 'on_policy.kl_coef'"),
        ("judging.vision.sight.form=sheet", "config key 'judging.vision.sight' is now 'judging.vision.frames'"),
        ("imported.candidates=motions", "config key 'imported' is now 'external'"),
        ("round_gain=0.1", "config key 'round_gain' is now 'min_round_gain'"),
        ("evaluation.baselines=[sft, cooler]", "config key 'evaluation.baselines': 'cooler' is now 'low_temperature'"),
    ],
)
def test_an_old_key_gets_one_line_with_its_new_name(override, line):
    with pytest.raises(AtomError) as caught:
        load_config(overrides=[override])
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_an_old_key_of_a_section_on_its_own_is_renamed_too():
    with pytest.raises(AtomError, match=r"'tuning.epochs' is now 'tuning.num_train_epochs'"):
        load_section(TuningConfig, ["epochs=2"])


def test_a_key_that_never_was_lists_the_known_ones():
    with pytest.raises(AtomError, match=r"unknown config key 'tuning.x'; known here: tasks, loss_type"):
        load_config(overrides=["tuning.x=1"])


def test_the_record_of_an_earlier_version_is_recognised_by_its_keys():
    config = RunConfig().model_dump(mode="json")
    assert find_renamed_key(config) is None and parse_config(config) == RunConfig()
    config["tuning"]["rank"] = config["tuning"].pop("r")
    assert find_renamed_key(config) == "config key 'tuning.rank' is now 'tuning.r'"


def test_every_field_of_the_config_is_described():
    sections = [RunConfig]
    for section in sections:
        assert section.__doc__, section
        for name, field in section.model_fields.items():
            kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
            found = [kind for kind in kinds if issubclass(kind, ConfigSection)]
            sections += found
            assert found or field.description, f"{section.__name__}.{name}"
    assert len(sections) > 15


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], ("guo", "built-in")),
        (["evaluation.metrics.variant=motiongpt"], ("motiongpt", "built-in")),
        (["evaluation.metrics=null"], ("guo", "built-in")),
        (["evaluation.metrics.variant=motiongpt", "judging.retrieval.variant=guo"], ("guo", "built-in")),
    ],
)
def test_the_retrieval_judge_has_its_own_evaluator_before_that_of_the_metrics(overrides, expected):
    settings = load_config(overrides=overrides).retrieval_evaluator
    assert (settings.variant, settings.evaluator) == expected and type(settings) is EvaluatorConfig


@pytest.mark.parametrize(
    ("overrides", "tunes", "vision"),
    [
        ([], True, False),
        (["external.candidates=c"], False, False),
        (["external.candidates=c", "external.tune=true", "rounds=1", "on_policy.steps=0"], True, False),
        (["evaluation.judges=[vision]"], True, True),
        (["evaluation.judges=[auto]"], True, False),
        (["evaluation.judges=[auto]", "external.base=b", "external.tuned=t"], False, True),
    ],
)
def test_what_a_run_does_follows_from_its_sections(overrides, tunes, vision):
    config = load_config(overrides=overrides)
    assert (config.tunes, config.uses_vision) == (tunes, vision)
    assert config.judges == {config.judging.judge, *config.evaluation.judges}
