"""Preference losses as pure functions of log-probabilities, one value for each pair: (pairs,) -> (pairs,).

Words, as in TRL:
- `log_ratio` of an answer: its log-probability under the policy minus that under the reference model.
- `margin` of a pair: the log ratio of the chosen answer minus that of the rejected one.
- `label_smoothing`: the probability that a pair is labelled the wrong way round, one number or one for each pair.

Sources:
- IPO: Azar et al. 2023 (arXiv 2310.12036). The paper sums log-probabilities over the answer; AToM and TRL average them.
- DPO: Rafailov et al. 2023 (arXiv 2305.18290).
- Hinge: Zhao et al. 2023, SLiC-HF (arXiv 2305.10425).
- KTO: Ethayarajh et al. 2024 (arXiv 2402.01306), for unpaired answers and in its form for pairs.
- ORPO: Hong et al. 2024 (arXiv 2403.07691). It needs no reference model, only averaged log-probabilities.
- SimPO: Meng et al. 2024 (arXiv 2405.14734). The same holds for it.
- `bradley_terry` is the loss of a reward model and takes rewards instead of log-probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class PreferenceLoss(Protocol):
    """A custom loss for `tune`: any function of the log-probabilities of pairs.

    An attribute `identity` may name the function and its settings; without one its qualified name does. Change that
    name with the function: an interrupted tuning only resumes with a loss of the same name.
    """

    def __call__(
        self, chosen: Tensor, rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor
    ) -> Tensor:
        """Computes the loss of each pair.

        Args:
            chosen: (pairs,) log-probabilities of the chosen answers under the policy, with gradients; summed over the
                tokens, or averaged where `tuning.average_log_prob` is true.
            rejected: (pairs,) the same of the rejected answers.
            reference_chosen: (pairs,) log-probabilities of the chosen answers under the reference model.
            reference_rejected: (pairs,) the same of the rejected answers.

        Returns:
            (pairs,) losses.
        """
        ...


def ipo(margin: Tensor, beta: float, label_smoothing: float | Tensor = 0.0) -> Tensor:
    """IPO: the squared distance of the margin to its target.

    Args:
        margin: (pairs,) chosen minus rejected log ratio.
        beta: the target margin is 1 / (2 beta).
        label_smoothing: with the share e the target becomes (1 - 2e) / (2 beta).

    Returns:
        (pairs,) losses.
    """
    return (margin - (1 - 2 * label_smoothing) / (2 * beta)).square()


def dpo(margin: Tensor, beta: float, label_smoothing: float | Tensor = 0.0) -> Tensor:
    """DPO: the logistic loss of the margin.

    Args:
        margin: (pairs,) chosen minus rejected log ratio.
        beta: the scale of the margin.
        label_smoothing: the weight of the same loss with chosen and rejected swapped.

    Returns:
        (pairs,) losses.
    """
    return -F.logsigmoid(beta * margin) * (1 - label_smoothing) - F.logsigmoid(-beta * margin) * label_smoothing


def hinge(margin: Tensor, beta: float, label_smoothing: float | Tensor = 0.0) -> Tensor:
    """Hinge loss of SLiC: linear below a margin of 1 / beta, zero above.

    Args:
        margin: (pairs,) chosen minus rejected log ratio.
        beta: the scale of the margin.
        label_smoothing: the weight of the same loss with chosen and rejected swapped.

    Returns:
        (pairs,) losses.
    """
    return torch.relu(1 - beta * margin) * (1 - label_smoothing) + torch.relu(1 + beta * margin) * label_smoothing


def kto_pair(chosen_log_ratio: Tensor, rejected_log_ratio: Tensor, beta: float) -> Tensor:
    """KTO for pairs. The KL estimate of one side is the mean log ratio of the other side over the batch, at least 0.

    Args:
        chosen_log_ratio: (pairs,) log ratios of the chosen answers.
        rejected_log_ratio: (pairs,) log ratios of the rejected answers.
        beta: the scale of the log ratios.

    Returns:
        (2 pairs,) losses: first of all chosen answers, then of all rejected ones.
    """
    # A KL divergence is never negative, but its estimate from a few motions can be.
    chosen_kl, rejected_kl = (log_ratio.mean().clamp(min=0) for log_ratio in (chosen_log_ratio, rejected_log_ratio))
    chosen_value = torch.sigmoid(beta * (chosen_log_ratio - rejected_kl))
    rejected_value = torch.sigmoid(beta * (chosen_kl - rejected_log_ratio))
    return 1 - torch.cat([chosen_value, rejected_value])


def kto(log_ratio: Tensor, desirable: Tensor, kl: Tensor, beta: float) -> Tensor:
    """KTO for unpaired answers.

    Args:
        log_ratio: (n,) log ratios of the answers.
        desirable: (n,) bool, whether an answer is good.
        kl: the reference point z0 of the paper: one number, at least 0, an estimate of the KL divergence between
            policy and reference from answers to other prompts.
        beta: the scale of the log ratios.

    Returns:
        (n,) losses.
    """
    return 1 - torch.sigmoid(beta * torch.where(desirable, log_ratio - kl, kl - log_ratio))


def orpo(chosen: Tensor, rejected: Tensor) -> Tensor:
    """ORPO's odds ratio term: the logistic loss of the log odds ratio. The full loss adds the likelihood of the chosen.

    Args:
        chosen: (pairs,) log-probabilities of the chosen answers, averaged over their tokens.
        rejected: (pairs,) the same of the rejected answers.

    Returns:
        (pairs,) losses.
    """
    log_odds = (chosen - rejected) - (_log_complement(chosen) - _log_complement(rejected))
    return -F.logsigmoid(log_odds)


def simpo(
    chosen: Tensor, rejected: Tensor, beta: float, margin: float, label_smoothing: float | Tensor = 0.0
) -> Tensor:
    """SimPO: the DPO loss of averaged log-probabilities, with a target margin and without a reference model.

    Args:
        chosen: (pairs,) log-probabilities of the chosen answers, averaged over their tokens.
        rejected: (pairs,) the same of the rejected answers.
        beta: the scale of the difference.
        margin: the target margin, gamma / beta in the paper.
        label_smoothing: as for `dpo`.

    Returns:
        (pairs,) losses.
    """
    return dpo(chosen - rejected - margin, beta, label_smoothing)


def bradley_terry(chosen: Tensor, rejected: Tensor, margin: Tensor) -> Tensor:
    """Loss of a reward model: the logistic loss of the difference of the rewards beyond a margin.

    Source: Touvron et al. 2023, "Llama 2" (arXiv 2307.09288), section 3.2.2, where the margin grows with how clear the
    preference is. The gradient raises the reward of the chosen answer and lowers that of the rejected one.

    Args:
        chosen: (pairs,) rewards of the chosen answers.
        rejected: (pairs,) rewards of the rejected answers.
        margin: (pairs,) margins.

    Returns:
        (pairs,) losses.
    """
    return -F.logsigmoid(chosen - rejected - margin)


def _log_complement(log_probability: Tensor) -> Tensor:
    """log(1 - p) from log p."""
    # An answer of probability 1 has infinite odds, so the probability is limited to just below 1. expm1 keeps the
    # precision for probabilities near 0.
    return torch.log(-torch.expm1(log_probability.clamp(max=-1e-6)))


PREFERENCE_LOSSES: dict[Literal["ipo", "dpo", "hinge"], Callable[[Tensor, float, float | Tensor], Tensor]] = {
    "ipo": ipo,
    "dpo": dpo,
    "hinge": hinge,
}
