"""Two processes on the CPU tune as one does."""

import os
import signal
import subprocess

import pytest
from safetensors.torch import load_file

from atom.config import RunConfig
from atom.errors import AtomError
from atom.generation.generator import Generator
from atom.prompts.grammar import write_split
from atom.tuning.distributed import PAIRS_FILE, tune_distributed
from atom.tuning.pairs import PairFile, TrainingPair
from atom.tuning.preference_trainer import tune
from atom.tuning.process_group import ProcessGroup
from atom.tuning.validation import build_validation

SETTINGS = {
    "tuning": {"batch_size": 10, "epochs": 2, "warmup_steps": 1, "rank": 4, "alpha": 8},
    "validation": {"prompts_per_task": 2, "every": 2},
    "resources": {"processes": 2},
}


def work_of(folder, pairs):
    folder.mkdir()
    PairFile.write(folder / PAIRS_FILE, [pairs])
    return folder


def training_pairs():
    texts = [prompt.text for prompt in write_split(RunConfig().prompts, 0, "train", 5)]
    return [TrainingPair(text, (1 + number, 7, 9 + number, 30), (200, 3 + number)) for number, text in enumerate(texts)]


def test_the_shares_of_a_team_are_all_there_is():
    items = list(range(11))
    shares = [ProcessGroup(number, 4).share(items) for number in range(4)]
    assert [item for share in shares for item in share] == items and {len(share) for share in shares} == {2, 3}


def test_two_processes_give_the_curve_and_the_adapter_of_one_with_twice_the_batch(tmp_path):
    config, pairs = RunConfig.model_validate(SETTINGS), training_pairs()
    alone = tune(Generator.load(), pairs, config.tuning, 0, tmp_path / "alone", validation=build_validation(config))
    heard = []
    both = tune_distributed(
        config,
        tmp_path / "both",
        work_of(tmp_path / "work", pairs),
        None,
        lambda step, steps, row: heard.append((step, steps)),
    )
    assert heard == [(step, 4) for step in range(1, 5)]
    for one, other in zip(alone, both, strict=True):
        for figure in ("loss", "margin", "chosen_logp", "rejected_logp", "accuracy", "gradient_norm"):
            assert other[figure] == pytest.approx(one[figure], rel=2e-4, abs=2e-4), figure
        assert (other["validation"], other["kept"]) == (one["validation"], one["kept"])
    first, second = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("alone", "both"))
    assert all((first[key] - second[key]).abs().max() < 1e-4 for key in first)


def test_what_is_wrong_is_told_and_no_process_is_left(tmp_path):
    config = RunConfig.model_validate(SETTINGS | {"tuning": {"targets": "query"}})
    with pytest.raises(AtomError, match="can't change the layers 'query'"):
        tune_distributed(config, tmp_path / "both", work_of(tmp_path / "work", training_pairs()), None)
    assert not processes_of_this()


def test_a_process_that_is_killed_ends_the_tuning_with_a_word_and_it_goes_on_later(tmp_path):
    pairs, work = training_pairs(), tmp_path / "work"
    config = RunConfig.model_validate(SETTINGS | {"validation": {"prompts_per_task": 0}})

    def kill_one(step, _steps, _row):
        if step == 2:
            os.kill(processes_of_this()[-1], signal.SIGKILL)

    with pytest.raises(AtomError, match="a process of the tuning ended"):
        tune_distributed(config, tmp_path / "both", work_of(work, pairs), None, kill_one)
    assert not processes_of_this() and not (tmp_path / "both").exists()
    assert len(tune_distributed(config, tmp_path / "both", work, None)) == 4


def processes_of_this():
    """Children of this test that run a part of a tuning."""
    listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "atom.tuning.distributed" in line]
