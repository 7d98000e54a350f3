"""Preference losses on log-probabilities, as pure functions: (pairs,) -> (pairs,).

`ratio` is what the policy prefers beyond the reference: chosen minus rejected log-probability of the policy minus the
same of the reference; KTO takes the two sides apart. `label_smoothing` is the share of pairs believed to be the wrong
way round, one number or one for each pair. IPO: Azar et al. 2023 (arXiv 2310.12036); it sums log-probabilities over the
answer, AToM and TRL average them. DPO: Rafailov et al. 2023 (arXiv 2305.18290). Hinge: Zhao et al. 2023 (SLiC-HF, arXiv
2305.10425). KTO: Ethayarajh et al. 2024 (arXiv 2402.01306), of single answers and in the form for pairs. ORPO (Hong et
al. 2024, arXiv 2403.07691) and SimPO (Meng et al. 2024, arXiv 2405.14734) need no reference, only averaged
log-probabilities.

`reward_margin` alone is on what a reward model says of chosen and rejected answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


def ipo(ratio: Tensor, beta: float, label_smoothing: float | Tensor = 0.0) -> Tensor:
    """Squared distance to the margin 1 / (2 beta); with a share e of wrong labels to (1 - 2e) / (2 beta)."""
    return (ratio - (1 - 2 * label_smoothing) / (2 * beta)).square()


def dpo(ratio: Tensor, beta: float, label_smoothing: float | Tensor = 0.0) -> Tensor:
    """Logistic loss of the pair and, by the share of wrong labels, of the pair turned round."""
    return -F.logsigmoid(beta * ratio) * (1 - label_smoothing) - F.logsigmoid(-beta * ratio) * label_smoothing


def hinge(ratio: Tensor, beta: float, label_smoothing: float | Tensor = 0.0) -> Tensor:
    """Linear below a margin of 1 / beta; with wrong labels the mean of both ways round, as for DPO."""
    return torch.relu(1 - beta * ratio) * (1 - label_smoothing) + torch.relu(1 + beta * ratio) * label_smoothing


def kto_pair(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """(2 pairs,): of the chosen answers, then of the rejected ones. `chosen` and `rejected` are what the policy prefers
    of each answer beyond the reference; each side is held against how far the policy has moved on the other, which is
    the mean over the batch and at least 0."""
    moved = [side.mean().clamp(min=0) for side in (chosen, rejected)]
    return 1 - torch.cat([torch.sigmoid(beta * (chosen - moved[1])), torch.sigmoid(beta * (moved[0] - rejected))])


def kto(beyond: Tensor, desirable: Tensor, moved: Tensor, beta: float) -> Tensor:
    """(n,) of single answers: `beyond` is what the policy prefers of each beyond the reference, `desirable` (bool)
    whether it is good, `moved` (one number, at least 0) how far the policy has moved on answers to other prompts."""
    return 1 - torch.sigmoid(beta * torch.where(desirable, beyond - moved, moved - beyond))


def orpo(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Logistic loss of the log-odds ratio of the averaged log-probabilities; ORPO adds the likelihood of the chosen."""
    log_odds = (chosen - rejected) - (_log_of_the_rest(chosen) - _log_of_the_rest(rejected))
    return -F.logsigmoid(log_odds)


def simpo(
    chosen: Tensor, rejected: Tensor, beta: float, margin: float, label_smoothing: float | Tensor = 0.0
) -> Tensor:
    """DPO's loss of how far the averaged log-probabilities are apart beyond `margin`, which is SimPO's gamma / beta."""
    return dpo(chosen - rejected - margin, beta, label_smoothing)


def reward_margin(chosen: Tensor, rejected: Tensor, margin: Tensor) -> Tensor:
    """Logistic loss of how far the reward of the chosen lies above that of the rejected beyond a margin, which grows
    with how clear the preference is: Touvron et al. 2023, "Llama 2" (arXiv 2307.09288), section 3.2.2. Its
    gradient raises the chosen's reward and lowers the rejected's."""
    return -F.logsigmoid(chosen - rejected - margin)


def _log_of_the_rest(log_probability: Tensor) -> Tensor:
    """log(1 - p). An answer of probability 1 has no odds: it counts as one just below."""
    return torch.log(-torch.expm1(log_probability.clamp(max=-1e-6)))


PREFERENCE_LOSSES: dict[Literal["ipo", "dpo", "hinge"], Callable[[Tensor, float, float | Tensor], Tensor]] = {
    "ipo": ipo,
    "dpo": dpo,
    "hinge": hinge,
}
