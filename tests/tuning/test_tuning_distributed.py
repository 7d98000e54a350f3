"""Two processes on the CPU give the result of one."""

import os
import signal
import subprocess
from types import SimpleNamespace

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

pytestmark = pytest.mark.slow
SETTINGS = {
    "tuning": {"batch_size": 10, "num_train_epochs": 2, "warmup_steps": 1, "r": 4, "lora_alpha": 8},
    "validation": {"prompts_per_task": 2, "eval_steps": 2},
    "resources": {"processes": 2},
}


def make_work_folder(folder, pairs):
    folder.mkdir()
    PairFile.write(folder / PAIRS_FILE, [pairs])
    return folder


def training_pairs():
    texts = [prompt.text for prompt in write_split(RunConfig().prompts, 0, "train", 5)]
    return [TrainingPair(text, (1 + number, 7, 9 + number, 30), (200, 3 + number)) for number, text in enumerate(texts)]


def test_the_shards_of_a_process_group_hold_each_item_once():
    items = list(range(11))
    shards = [ProcessGroup(rank, 4).shard(items) for rank in range(4)]
    assert [item for shard in shards for item in shard] == items and {len(shard) for shard in shards} == {2, 3}


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """A tuning by two processes of which one was killed, and the same tuning again: the error, what stayed behind, the
    steps, the rows and the folder of the adapter. Starting two processes takes ten seconds."""
    folder, config = tmp_path_factory.mktemp("resumed"), RunConfig.model_validate(SETTINGS)
    adapter, work, steps = folder / "both", make_work_folder(folder / "work", training_pairs()), []

    def kill_one(step, _steps, _row):
        if step == 2:
            os.kill(child_processes()[-1], signal.SIGKILL)

    with pytest.raises(AtomError) as caught:
        tune_distributed(config, adapter, work, None, kill_one)
    left = (child_processes(), adapter.exists())
    rows = tune_distributed(config, adapter, work, None, lambda step, total, _row: steps.append((step, total)))
    return SimpleNamespace(error=str(caught.value), left=left, steps=steps, rows=rows, adapter=adapter)


def test_two_processes_give_the_curve_and_the_adapter_of_one(tmp_path, resumed):
    config = RunConfig.model_validate(SETTINGS)
    validation = build_validation(config)
    single = tune(Generator.load(), training_pairs(), config.tuning, 0, tmp_path, validation=validation)
    for one, other in zip(single, resumed.rows, strict=True):
        for metric in ("loss", "margin", "chosen_logp", "rejected_logp", "accuracy", "gradient_norm"):
            assert other[metric] == pytest.approx(one[metric], rel=2e-4, abs=2e-4), metric
        assert (other["validation"], other["kept"]) == (one["validation"], one["kept"])
    first, second = (load_file(folder / "adapter_model.safetensors") for folder in (tmp_path, resumed.adapter))
    assert all((first[key] - second[key]).abs().max() < 1e-4 for key in first)


def test_a_killed_process_ends_the_tuning_and_it_resumes_later(resumed):
    assert "a tuning process ended" in resumed.error
    assert resumed.left == ([], False)
    assert resumed.steps == [(step, 4) for step in range(1, 5)] and len(resumed.rows) == 4


def test_an_error_is_reported_and_no_process_is_left(tmp_path):
    config = RunConfig.model_validate(SETTINGS | {"tuning": {"target_modules": "query"}})
    with pytest.raises(AtomError, match="can't change the layers 'query'"):
        tune_distributed(config, tmp_path / "both", make_work_folder(tmp_path / "work", training_pairs()), None)
    assert not child_processes()


def child_processes():
    """The tuning processes that this test started."""
    listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "atom.tuning.distributed" in line]
