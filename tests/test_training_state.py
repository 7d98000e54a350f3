"""What all trainings share: when their state is saved, and how their learning rate falls."""

import pytest
import torch

from atom.training_state import TrainingState, cosine_decay, set_learning_rate


@pytest.mark.parametrize(
    ("fraction", "share"), [(0, 1), (1 / 4, 0.853553), (1 / 3, 0.75), (1 / 2, 0.5), (3 / 4, 0.146447), (1, 0), (1.5, 0)]
)
def test_the_decay_is_half_a_cosine(fraction, share):
    assert cosine_decay(fraction) == pytest.approx(share, abs=1e-6)


def test_the_state_is_saved_every_few_steps_and_after_the_last(tmp_path):
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD([{"params": [model.weight]}, {"params": [model.bias]}], lr=1.0)
    state = TrainingState(tmp_path / "state.pt", model, optimizer, steps=7, save_every=3)
    assert state.restore() == 0
    saved = []
    for step in range(1, 8):
        set_learning_rate(optimizer, 1.0 / step)
        with torch.no_grad():
            model.weight.fill_(step)
        state.save_if_due(step)
        saved.append(torch.load(state.path)["step"] if state.path.exists() else 0)
    assert saved == [0, 0, 3, 3, 3, 6, 7]
    with torch.no_grad():
        model.weight.fill_(0)
    set_learning_rate(optimizer, 9.0)
    assert state.restore() == 7
    assert model.weight.tolist() == [[7, 7]] and [group["lr"] for group in optimizer.param_groups] == [1 / 7] * 2
