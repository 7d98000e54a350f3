"""Preference losses on log-probabilities, each of shape (pairs,) -> (pairs,), as pure functions.

`ratio` is what the policy prefers beyond the reference: (chosen - rejected) log-probability of the policy minus the
same of the reference. IPO: Azar et al. 2023 (arXiv 2310.12036); its paper sums the log-probabilities over the answer,
AToM and TRL average them. DPO: Rafailov et al. 2023 (arXiv 2305.18290). Hinge: SLiC, Zhao et al. 2023.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def ipo(ratio: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """Squared distance to the margin 1/(2 beta); with a share e of wrong labels the margin asked is (1-2e)/(2 beta)."""
    return (ratio - (1 - 2 * label_smoothing) / (2 * beta)).square()


def dpo(ratio: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """Logistic loss, believing a share `label_smoothing` of the pairs to be the wrong way round."""
    return -F.logsigmoid(beta * ratio) * (1 - label_smoothing) - F.logsigmoid(-beta * ratio) * label_smoothing


def hinge(ratio: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """Linear below a margin of 1/beta. Label smoothing has no meaning here and must be 0."""
    if label_smoothing:
        raise ValueError("the hinge loss knows no label smoothing")
    return torch.relu(1 - beta * ratio)


PREFERENCE_LOSSES = {"ipo": ipo, "dpo": dpo, "hinge": hinge}


def sequence_log_probabilities(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Summed log-probability and number of tokens of each answer.

    logits (B, L, V) of a decoder that was given the labels shifted right, labels (B, L) with -100 where nothing is
    asked -> (B,), (B,). The average is their quotient.
    """
    asked = labels != -100
    picked = logits.log_softmax(-1).gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return (picked * asked).sum(-1), asked.sum(-1)
