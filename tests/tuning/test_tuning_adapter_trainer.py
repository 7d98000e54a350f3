"""When a training validates, stops, saves and which weights it keeps: by hand, with one weight and given scores."""

from types import SimpleNamespace

import pytest
import torch

from atom.tuning.adapter_trainer import AdapterTrainer
from atom.tuning.process_group import ProcessGroup
from atom.tuning.validation import BestWeights


class Counting(AdapterTrainer):
    """Its one weight is the number of steps done; a validation gives the next of the given scores."""

    def __init__(self, steps, scores=None, every=2, patience=2):
        self.steps, self.rows, self.best, self.saved = steps, [], BestWeights(), []
        self.parameters = [torch.nn.Parameter(torch.zeros(1))]
        self.generator, self.process_group = None, ProcessGroup()
        given = iter(scores or ())
        self.validation = scores and SimpleNamespace(
            every=every, patience=patience, evaluate=lambda generator: [float(next(given))] * 3
        )

    def step(self):
        self.parameters[0].data += 1
        self.rows.append({"step": len(self.rows) + 1, "validation": None, "validation_gain": None, "kept": False})
        return self.rows[-1]

    def backward(self):
        raise NotImplementedError

    def compute_drift(self, metrics):
        raise NotImplementedError

    def _restore(self, path):
        pass

    def _save(self, path):
        self.saved.append(len(self.rows))


def run(trainer, tmp_path, save_every=3):
    calls = []
    rows = trainer.run(lambda done, steps, row: calls.append((done, steps)), tmp_path / "state.pt", save_every)
    assert calls == [(row["step"], trainer.steps) for row in rows]
    kept = [row["step"] for row in rows if row["kept"]]
    return {row["step"]: row["validation"] for row in rows if row["validation"] is not None}, kept


@pytest.mark.parametrize(
    ("scores", "steps", "validated", "kept"),
    [
        ([1, 2, 3, 4], 5, {2: 2.0, 4: 3.0, 5: 4.0}, [5]),  # the last step is validated in any case
        ([1, 2, 3], 4, {2: 2.0, 4: 3.0}, [4]),
        ([1, 4, 2, 3], 5, {2: 4.0, 4: 2.0, 5: 3.0}, [2]),
        ([1, 4, 2, 3, 9], 8, {2: 4.0, 4: 2.0, 6: 3.0}, [2]),  # two validations in a row that are worse end it
        ([5, 4, 3], 8, {2: 4.0, 4: 3.0}, []),  # the initial weights are best
    ],
)
def test_the_weights_of_the_best_validation_are_kept(tmp_path, scores, steps, validated, kept):
    trainer = Counting(steps, scores)
    assert run(trainer, tmp_path) == (validated, kept)
    assert trainer.parameters[0].item() == (kept[0] if kept else 0)
    gains = [row["validation_gain"] for row in trainer.rows if row["validation"] is not None]
    assert gains == [score - scores[0] for score in validated.values()]


def test_without_a_validation_the_last_weights_are_kept_and_the_state_is_saved_now_and_then(tmp_path):
    trainer = Counting(7)
    assert run(trainer, tmp_path) == ({}, [7])
    assert trainer.saved == [3, 6] and trainer.parameters[0].item() == 7


def test_a_training_that_was_cut_off_goes_on_from_its_rows_without_the_first_validation(tmp_path):
    trainer = Counting(4, [2])
    trainer.best.update(0, [1.0] * 3, trainer.parameters)
    trainer.step(), trainer.step(), trainer.step()
    trainer.run(None, None, 1)
    assert len(trainer.rows) == 4 and trainer.best.first == [1.0] * 3 and trainer.best.step == 4
