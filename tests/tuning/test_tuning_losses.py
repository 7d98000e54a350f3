"""Preference losses against numbers computed by AToM's own code, and their plain properties."""

import numpy as np
import pytest
import torch

from atom.tuning.losses import dpo, hinge, ipo, sequence_log_probabilities


@pytest.mark.parametrize("beta", [0.1, 0.3])
def test_losses_equal_the_published_code(shared, beta):
    cases = np.load(shared / "parity" / "preference_losses.npz", allow_pickle=False)
    for scale in ("mean", "sum"):
        names = ("policy_chosen", "policy_rejected", "reference_chosen", "reference_rejected")
        chosen, rejected, chosen_0, rejected_0 = (torch.from_numpy(cases[f"{scale}_{name}_logps"]) for name in names)
        ratio = (chosen - rejected) - (chosen_0 - rejected_0)
        for name, losses in (
            ("ipo", ipo(ratio, beta)),
            ("sigmoid_ls0", dpo(ratio, beta)),
            ("sigmoid_ls0.2", dpo(ratio, beta, 0.2)),
            ("hinge", hinge(ratio, beta)),
        ):
            wanted = cases[f"{scale}_{name}_b{beta}_losses"]
            assert np.allclose(losses.numpy(), wanted, rtol=1e-5, atol=1e-5), (scale, name)


def test_ipo_is_least_at_its_margin():
    ratio = torch.linspace(0, 10, 101)
    assert ratio[ipo(ratio, beta=0.1).argmin()] == pytest.approx(5.0)
    assert ratio[ipo(ratio, beta=0.1, label_smoothing=0.25).argmin()] == pytest.approx(2.5)


def test_log_probabilities_leave_out_what_is_not_asked():
    logits = torch.randn(2, 5, 7)
    labels = torch.tensor([[1, 2, 3, -100, -100], [4, 5, 6, 0, 1]])
    sums, lengths = sequence_log_probabilities(logits, labels)
    wanted = logits[0].log_softmax(-1)[torch.arange(3), labels[0, :3]].sum()
    assert lengths.tolist() == [3, 5]
    assert sums[0] == pytest.approx(wanted.item(), abs=1e-5)
