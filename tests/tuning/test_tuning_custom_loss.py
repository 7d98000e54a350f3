"""A custom loss in preference tuning: it gets the log-probabilities of the batch, and it alone trains the adapter."""

import functools

import pytest
import torch
from safetensors.torch import load_file
from tuning_models import random_generator

from atom.config import TuningConfig
from atom.errors import AtomError
from atom.generation.adapter_loading import WEIGHTS_FILE, read_provenance
from atom.tuning.losses import dpo
from atom.tuning.preference_trainer import tune

SETTINGS = {"r": 4, "lora_alpha": 8, "batch_size": 4, "num_train_epochs": 2, "warmup_steps": 2, "learning_rate": 3e-3}
CUSTOM = TuningConfig(**SETTINGS)


def my_dpo(chosen, rejected, reference_chosen, reference_rejected):
    return dpo((chosen - reference_chosen) - (rejected - reference_rejected), beta=0.1)


def weights(folder):
    return load_file(folder / WEIGHTS_FILE)


@pytest.mark.slow
def test_dpo_as_a_custom_loss_trains_as_the_built_in_one(pairs, tmp_path):
    built_in = tune(random_generator(), pairs, TuningConfig(loss_type="dpo", **SETTINGS), 0, tmp_path / "dpo")
    custom = tune(random_generator(), pairs, CUSTOM, 0, tmp_path / "custom", loss=my_dpo)
    assert [row["preference_loss"] for row in custom] == [row["preference_loss"] for row in built_in]
    first, second = weights(tmp_path / "dpo"), weights(tmp_path / "custom")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert read_provenance(tmp_path / "custom")["loss"] == "my_dpo"
    assert "tuned with my_dpo" in (tmp_path / "custom" / "README.md").read_text()


def test_another_loss_gives_another_adapter(pairs, tmp_path):
    tune(random_generator(), pairs, CUSTOM, 0, tmp_path / "custom", loss=my_dpo)
    tune(random_generator(), pairs, CUSTOM, 0, tmp_path / "reversed", loss=lambda *logps: -my_dpo(*logps))
    first, second = weights(tmp_path / "custom"), weights(tmp_path / "reversed")
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_the_reference_is_that_of_the_base_model(pairs, tmp_path):
    seen = []

    def record(chosen, rejected, reference_chosen, reference_rejected):
        seen.append((chosen.detach(), reference_chosen, rejected.detach(), reference_rejected))
        return my_dpo(chosen, rejected, reference_chosen, reference_rejected)

    tune(random_generator(), pairs, CUSTOM, 0, tmp_path, loss=record)
    chosen, reference_chosen, rejected, reference_rejected = seen[0]  # a fresh adapter changes nothing yet
    torch.testing.assert_close(chosen, reference_chosen)
    torch.testing.assert_close(rejected, reference_rejected)
    assert not torch.allclose(seen[-1][0], seen[-1][1]) and chosen.shape == (4,)


def test_only_a_loss_of_the_same_name_resumes(pairs, tmp_path):
    class Stop(Exception):
        pass

    def stop_after(steps):
        def progress(step, *_):
            if step == steps:
                raise Stop

        return progress

    loss = functools.partial(my_dpo)
    loss.identity = "my dpo 1"
    with pytest.raises(Stop):
        tune(
            random_generator(),
            pairs,
            CUSTOM,
            0,
            tmp_path / "a",
            stop_after(4),
            tmp_path / "work",
            save_every=2,
            loss=loss,
        )
    for identity, first in (("my dpo 2", 1), ("my dpo 1", 5)):
        steps, loss.identity = [], identity
        record = lambda step, *_, steps=steps: steps.append(step)  # noqa: E731
        tune(random_generator(), pairs, CUSTOM, 0, tmp_path / identity, record, tmp_path / "work", loss=loss)
        assert steps[0] == first


def test_a_loss_without_a_name_and_one_beside_a_loss_type_are_errors(generator, pairs, tmp_path):
    with pytest.raises(AtomError, match="has no name: give it an attribute `identity`"):
        tune(generator, pairs, CUSTOM, 0, tmp_path, loss=functools.partial(my_dpo))
    with pytest.raises(AtomError, match="a custom loss and loss_type=dpo: give one of them"):
        tune(generator, pairs, TuningConfig(loss_type="dpo"), 0, tmp_path, loss=my_dpo)
