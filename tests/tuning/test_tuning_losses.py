"""Losses against the numbers of the peers' own code, and what they must do without any."""

import numpy as np
import pytest
import torch

from atom.tuning.log_probabilities import compute_answer_log_probs
from atom.tuning.losses import bradley_terry, dpo, hinge, ipo, kto, kto_pair, orpo, simpo


@pytest.fixture(scope="module")
def cases(shared):
    with np.load(shared / "parity/preference_losses.npz", allow_pickle=False) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def assert_close(actual, expected):
    """The fixture's tolerance: 1e-5 relative to max(1, |value|)."""
    assert actual.shape == expected.shape
    assert ((actual - expected).abs() / expected.abs().clamp(min=1)).max() <= 1e-5


@pytest.mark.parametrize("beta", [0.1, 0.3])
@pytest.mark.parametrize("scale", ["mean", "sum"])
def test_losses_are_those_of_the_peers(cases, scale, beta):
    policy, reference = (
        cases[f"{scale}_{who}_chosen_logps"] - cases[f"{scale}_{who}_rejected_logps"] for who in ("policy", "reference")
    )
    margin = policy - reference
    assert_close(ipo(margin, beta), cases[f"{scale}_ipo_b{beta}_losses"])
    assert_close(dpo(margin, beta), cases[f"{scale}_sigmoid_ls0_b{beta}_losses"])
    assert_close(dpo(margin, beta, 0.2), cases[f"{scale}_sigmoid_ls0.2_b{beta}_losses"])
    assert_close(dpo(margin, beta, cases["pair_label_smoothing"]), cases[f"{scale}_sigmoid_pairls_b{beta}_losses"])
    assert_close(hinge(margin, beta), cases[f"{scale}_hinge_b{beta}_losses"])
    sides = (
        cases[f"{scale}_policy_{side}_logps"] - cases[f"{scale}_reference_{side}_logps"]
        for side in ("chosen", "rejected")
    )
    assert_close(kto_pair(*sides, beta), cases[f"{scale}_kto_pair_b{beta}_losses"])


@pytest.mark.parametrize(
    ("loss", "peer", "reduction", "name"), [(ipo, "ipo", "average", "averaged"), (dpo, "sigmoid", "sum", "summed")]
)
def test_logits_to_losses_as_in_the_peers(cases, loss, peer, reduction, name):
    log_probs = {}
    for who in ("policy", "reference"):
        log_probs[who] = compute_answer_log_probs(cases[f"full_{who}_logits"], cases["full_labels"], reduction)
        assert_close(log_probs[who], cases[f"full_{who}_{name}"])
    margin = (log_probs["policy"][:4] - log_probs["policy"][4:]) - (
        log_probs["reference"][:4] - log_probs["reference"][4:]
    )
    for beta in (0.1, 0.3):
        assert_close(loss(margin, beta), cases[f"full_{peer}_b{beta}_losses"])


def test_ipo_is_least_at_its_margin_and_label_smoothing_lowers_it():
    ratios = torch.linspace(-10, 10, 2001)
    assert ratios[ipo(ratios, 0.1).argmin()] == pytest.approx(5.0, abs=1e-4)
    assert ratios[ipo(ratios, 0.1, 0.2).argmin()] == pytest.approx(3.0, abs=1e-4)


@pytest.mark.parametrize("loss", [dpo, hinge])
def test_label_smoothing_mixes_in_the_loss_of_the_swapped_pair(loss):
    margin = torch.tensor([-3.0, 0.0, 2.0])
    mixed = 0.7 * loss(margin, 0.3) + 0.3 * loss(-margin, 0.3)
    torch.testing.assert_close(loss(margin, 0.3, 0.3), mixed)


@pytest.mark.parametrize("loss", [ipo, dpo, hinge])
def test_the_loss_falls_while_the_margin_is_short(loss):
    margin = torch.zeros(3, requires_grad=True)
    loss(margin, 0.1).sum().backward()
    assert (margin.grad < 0).all()


def test_padding_takes_no_part_in_an_answers_log_probability():
    logits = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[1, 2, 3, -100, -100], [1, 2, 3, 4, 5]])
    by_hand = logits[0].log_softmax(-1)[[0, 1, 2], [1, 2, 3]]
    assert compute_answer_log_probs(logits, labels, "sum")[0].item() == pytest.approx(by_hand.sum().item(), abs=1e-5)
    assert compute_answer_log_probs(logits, labels, "average")[0].item() == pytest.approx(
        by_hand.mean().item(), abs=1e-5
    )


def test_kto_wants_chosen_above_and_rejected_below_the_kl_of_the_other_side():
    chosen, rejected = torch.tensor([2.0, 0.0], requires_grad=True), torch.tensor([-2.0, 0.0], requires_grad=True)
    losses = kto_pair(chosen, rejected, 0.5)
    assert losses[0] < losses[1] and losses[2] < losses[3]
    losses.sum().backward()
    assert (chosen.grad < 0).all() and (rejected.grad > 0).all()


@pytest.mark.parametrize(("chosen", "rejected"), [((-1.0, -3.0), (2.0, 0.0)), ((2.0, 0.0), (-1.0, -3.0))])
def test_ktos_kl_of_a_side_is_never_below_0(chosen, rejected):
    """The mean of -1 and -3 counts as 0, that of 2 and 0 as 1. The KL of a side moves the values of the other side."""
    chosen_kl, rejected_kl = (max(sum(side) / 2, 0.0) for side in (chosen, rejected))
    values = [value - rejected_kl for value in chosen] + [chosen_kl - value for value in rejected]
    by_hand = [1 - 1 / (1 + np.exp(-0.5 * value)) for value in values]
    assert {chosen_kl, rejected_kl} == {0.0, 1.0}
    assert kto_pair(torch.tensor(chosen), torch.tensor(rejected), 0.5).tolist() == pytest.approx(by_hand, abs=1e-6)


AVERAGES = torch.tensor([-0.05, -0.7, -2.5, -6.0]), torch.tensor([-1.3, -0.65, -2.5, -0.01])


def test_losses_without_a_reference_are_those_of_trl():
    """Recorded from TRL 0.28.0: odds_ratio_loss with beta 0.1, and cpo_loss of SimPO with beta 2 and gamma 1."""
    assert_close(0.1 * orpo(*AVERAGES), torch.tensor([0.0019025583, 0.0745394230, 0.0693147182, 1.0597709417]))
    assert_close(simpo(*AVERAGES, 2.0, 0.5), torch.tensor([0.2014132887, 1.3873353004, 1.3132617474, 12.9800014496]))
    smoothed = torch.tensor([0.5014132857, 1.1673353910, 1.1132618189, 10.3840017319])
    assert_close(simpo(*AVERAGES, 2.0, 0.5, 0.2), smoothed)


def test_an_answer_that_is_certain_has_finite_odds():
    certain = torch.zeros(1, requires_grad=True)
    loss = orpo(certain, torch.tensor([-1.0]))
    loss.sum().backward()
    assert loss.isfinite().all() and certain.grad.isfinite().all()


def test_kto_of_unpaired_answers_by_hand():
    log_ratio, desirable = torch.tensor([1.0, -0.5, 2.0]), torch.tensor([True, False, False])
    losses = kto(log_ratio, desirable, torch.tensor(0.4), 0.5)
    by_hand = [1 - 1 / (1 + np.exp(-0.5 * value)) for value in (1.0 - 0.4, 0.4 + 0.5, 0.4 - 2.0)]
    assert losses.tolist() == pytest.approx(by_hand, abs=1e-6)


def test_unpaired_kto_is_paired_kto_where_both_sides_have_the_same_kl():
    chosen, rejected = torch.tensor([0.5, 0.1]), torch.tensor([0.4, 0.2])
    pairs = kto_pair(chosen, rejected, 0.3)
    single = kto(torch.cat([chosen, rejected]), torch.tensor([True, True, False, False]), torch.tensor(0.3), 0.3)
    torch.testing.assert_close(single, pairs)


def test_the_reward_models_loss_by_hand():
    losses = bradley_terry(torch.tensor([2.0, 0.5, -1.0]), torch.tensor([0.0, 0.5, 1.0]), torch.tensor([1.0, 0.0, 0.5]))
    assert_close(losses, torch.tensor([0.31326169, 0.69314718, 2.57888973]))  # ln(1 + e^-1), ln 2, ln(1 + e^2.5)


def test_the_reward_models_gradient_raises_chosen_and_lowers_rejected_rewards():
    rewards = torch.zeros(2, 3, requires_grad=True)
    bradley_terry(rewards[0], rewards[1], torch.tensor([0.0, 1.0, 3.0])).sum().backward()
    assert_close(-rewards.grad[0], torch.tensor([0.5, 0.73105858, 0.95257413]))  # a wider gap pulls harder
    assert torch.equal(rewards.grad[0], -rewards.grad[1])
