"""A tuning ends with the weights that a judge scores best on prompts of neither training nor test."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tuning_models import random_generator, random_pairs

from atom.config import PromptConfig, RunConfig, TuningConfig
from atom.events import assign_split
from atom.generation.generator import Generator
from atom.prompts.grammar import write_prompts, write_split
from atom.tuning.preference_trainer import tune
from atom.tuning.validation import BestWeights, Validation, build_validation, validation_interval

SMALL = TuningConfig(
    r=4, lora_alpha=8, batch_size=4, num_train_epochs=3, warmup_steps=1, learning_rate=3e-3
)  # 15 steps
TEXTS = ("a person jumps twice", "he bows")


def weights(value):
    return [torch.full((2,), float(value))]


def update_with(*measurements):
    best = BestWeights()
    for step, scores in enumerate(measurements):
        best.update(step, list(scores), weights(step))
    return best


def test_the_latest_of_equally_good_weights_is_kept():
    best = update_with([2, 2, 2, 3], [3, 3, 2, 4], [3, 3, 3, 3])
    assert (best.step, best.missed, best.weights[0][0].item()) == (2, 0, 2.0)


def test_weights_that_are_clearly_worse_are_not_kept_and_counted():
    best = update_with([2, 2, 2, 2], [4, 4, 4, 4], [3, 3, 3, 3.1], [2, 3, 3, 3])
    assert (best.step, best.missed) == (1, 2)
    best.update(4, [4.0, 4.0, 4.1, 4.0], weights(4))
    assert (best.step, best.missed) == (4, 0)


def test_worse_means_by_more_than_the_standard_error_of_the_sample():
    """Differences of 1 and -0.1: mean 0.45, standard error 0.55 with n - 1 and 0.39 with n in the deviation."""
    assert update_with([3.0, 3.0], [2.0, 3.1]).step == 1
    assert update_with([3.0, 3.0], [2.0, 2.9]).step == 0  # mean 0.55, standard error 0.45
    assert update_with([3.0], [2.9]).step == 0  # a single prompt has no deviation


def test_many_small_losses_in_a_row_do_not_add_up():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.5, (12, 100))
    measurements = [3 - 0.04 * step + noise[step] for step in range(12)]
    best = update_with(*(scores.tolist() for scores in measurements))
    assert best.step < 6


class Scripted(Validation):
    """Takes its scores from a list instead of sampling."""

    def evaluate(self, generator):
        value = self.sampling["scores"].pop(0)
        return [value, value + 0.001]


def scripted(values, every=3, patience=2):
    scores = list(values)
    return Scripted(TEXTS, (1, 2), lambda *_: 1.0, {"scores": scores}, every, patience), scores


def test_a_tuning_that_gets_worse_stops_early_with_its_best_weights(tmp_path):
    validation, left = scripted([2.0, 3.0, 2.5, 2.4, 2.3])
    rows = tune(random_generator(), random_pairs(20), SMALL, 0, tmp_path / "best", validation=validation)
    assert left == [2.3] and len(rows) == 9
    assert [row["step"] for row in rows if row["kept"]] == [3]
    assert [row["validation_gain"] for row in rows if row["validation"] is not None] == pytest.approx([1.0, 0.5, 0.4])

    kept = {}

    def copy_third(step, *_):
        if step == 3:
            kept.update(
                {
                    name: value.detach().clone()
                    for name, value in generator.language_model.named_parameters()
                    if "lora_" in name
                }
            )

    generator = random_generator()
    tune(generator, random_pairs(20), SMALL, 0, tmp_path / "last", copy_third)
    best = load_file(tmp_path / "best/adapter_model.safetensors")
    assert {name.replace(".default", "") for name in kept} == set(best)
    assert all(torch.equal(value, best[name.replace(".default", "")]) for name, value in kept.items())


def test_a_tuning_that_only_harms_ends_with_the_initial_weights(tmp_path):
    validation, _ = scripted([3.0, 2.0, 2.0])
    rows = tune(random_generator(), random_pairs(20), SMALL, 0, tmp_path, validation=validation)
    assert not any(row["kept"] for row in rows)
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    assert not any(value.any() for name, value in tensors.items() if "lora_B" in name)
    assert "with the weights of step 0" in (tmp_path / "README.md").read_text()


def test_the_last_step_is_validated_whatever_the_interval(tmp_path):
    validation, left = scripted([2.0, 2.5], every=100)
    rows = tune(random_generator(), random_pairs(20), SMALL, 0, tmp_path, validation=validation)
    assert not left and rows[-1]["validation"] is not None and rows[-1]["kept"]


def test_validation_prompts_are_in_neither_training_nor_test():
    config = RunConfig()
    prompts = write_split(config.prompts, 0, "val", config.validation.prompts_per_task)
    assert len(prompts) == 120 and {assign_split(prompt.events) for prompt in prompts} == {"val"}
    others = write_prompts(PromptConfig(), 0)
    assert not {prompt.text for prompt in prompts} & {prompt.text for prompt in others}


def test_the_validation_of_a_run_uses_the_kinematic_judge_and_is_reproducible():
    validation = build_validation(RunConfig.model_validate({"validation": {"prompts_per_task": 3}}))
    generator = Generator.load()
    scores = validation.evaluate(generator)
    assert len(scores) == 9 and all(1 <= score <= 5 for score in scores) and len(set(scores)) > 1
    assert validation.evaluate(generator) == scores
    assert build_validation(RunConfig.model_validate({"validation": {"prompts_per_task": 0}})) is None


def test_a_long_tuning_is_validated_ten_times_and_a_short_one_by_the_interval():
    assert [validation_interval(50, steps) for steps in (20, 178, 500, 501, 1689)] == [50, 50, 50, 51, 169]
