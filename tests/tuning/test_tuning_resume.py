"""A tuning that is killed, interrupted or out of disk space, and how it resumes."""

import os
import random
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from forked_call import call_in_fork
from safetensors.torch import load_file
from tuning_models import random_generator, random_pairs

from atom.config import GenerationConfig, OnPolicyConfig, TuningConfig
from atom.errors import AtomError
from atom.tuning.on_policy import tune_on_policy
from atom.tuning.preference_trainer import tune
from atom.tuning.rewards import RolloutPrompt
from atom.tuning.validation import Validation

SMALL = TuningConfig(
    r=4, lora_alpha=8, batch_size=4, num_train_epochs=5, warmup_steps=2, learning_rate=3e-3
)  # 25 steps
ON_POLICY = OnPolicyConfig(steps=14, prompts=2, num_generations=4, learning_rate=1e-2, kl_coef=0.1, warmup_steps=1)
SAMPLING = GenerationConfig(max_new_tokens=12)
TEXTS = ("a person jumps twice", "he bows", "a person turns left and sits down")


class LongerIsBetter:
    identity = "longer is better"

    def compute_rewards(self, _prompts, motions):
        return [len(codes) / 12 for codes in motions]


def validation():
    return Validation(
        TEXTS, (1, 2, 3), lambda _, joints: float(len(joints)), {"max_new_tokens": 12}, every=4, patience=9
    )


def on_pairs(folder, progress, work):
    return tune(
        random_generator(), random_pairs(20), SMALL, 0, folder, progress, work, save_every=2, validation=validation()
    )


def on_policy(folder, progress, work):
    prompts = [RolloutPrompt(text, "integrity", ()) for text in TEXTS]
    reward = LongerIsBetter()
    return tune_on_policy(
        random_generator(),
        prompts,
        reward,
        ON_POLICY,
        SMALL,
        SAMPLING,
        3,
        folder,
        progress,
        work,
        save_every=2,
        validation=validation(),
    )


@pytest.mark.slow
@pytest.mark.parametrize("tuning", [on_pairs, on_policy])
def test_ten_kills_at_random_steps_do_not_change_the_weights(tuning, tmp_path):
    steps = len(tuning(tmp_path / "unbroken", None, None))
    rng = random.Random(7)
    killed_at = []

    def kill_at(last):
        def progress(step, _steps, _row):
            if step >= last:  # later where it goes on from there
                os.kill(os.getpid(), signal.SIGKILL)

        return progress

    for _ in range(10):
        last = rng.randint(1, steps)
        status = call_in_fork(lambda last=last: tuning(tmp_path / "broken", kill_at(last), tmp_path / "work"))
        killed_at += [last] if status == -signal.SIGKILL else []
        if status == 0:  # all steps were done already
            for file in (tmp_path / "broken").iterdir():
                file.unlink()
    assert len(killed_at) > 5
    rows = tuning(tmp_path / "broken", None, tmp_path / "work")
    assert [row["step"] for row in rows] == list(range(1, steps + 1))
    first, again = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("unbroken", "broken"))
    assert first.keys() == again.keys() and all(torch.equal(first[key], again[key]) for key in first)
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.slow
def test_a_full_disk_stops_with_an_error_and_keeps_the_state_before(tmp_path):
    message = tmp_path / "message"

    def fill_up(step, _steps, _row):
        if step == 5:  # from now on no file can grow beyond a few bytes, as on a disk that is full
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))

    def run():
        try:
            on_pairs(tmp_path / "adapter", fill_up, tmp_path / "work")
        except AtomError as error:
            message.write_text(str(error))

    assert call_in_fork(run) == 0
    assert "make room, then run again" in message.read_text()
    steps = []
    on_pairs(tmp_path / "adapter", lambda step, *_: steps.append(step), tmp_path / "work")
    assert steps[0] == 5
    on_pairs(tmp_path / "unbroken", None, None)
    first, again = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("unbroken", "adapter"))
    assert all(torch.equal(first[key], again[key]) for key in first)


@pytest.mark.slow
def test_a_tuning_with_validation_resumes_with_its_best_weights(tmp_path):
    def stop(step, *_):
        if step == 11:
            raise KeyboardInterrupt

    unbroken = on_pairs(tmp_path / "unbroken", None, None)
    with pytest.raises(KeyboardInterrupt):
        on_pairs(tmp_path / "broken", stop, tmp_path / "work")
    rows = on_pairs(tmp_path / "broken", None, tmp_path / "work")
    validations = [
        [(row["validation"], row["validation_gain"], row["kept"]) for row in some] for some in (unbroken, rows)
    ]
    assert validations[0] == validations[1]
    assert np.isfinite([row["validation"] for row in rows if row["step"] % 4 == 0]).all()
    assert not list(Path(tmp_path / "work").iterdir())
