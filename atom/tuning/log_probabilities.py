"""How likely an encoder-decoder model finds given answers to given prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import T5ForConditionalGeneration

from atom.tuning.batches import IGNORED, PairBatch, batches_of, by_length
from atom.tuning.pairs import PairShape, TokenizedPair
from atom.tuning.team import ALONE, Team

Form = Literal["average", "sum"]


def answer_log_probabilities(logits: Tensor, labels: Tensor, form: Form) -> Tensor:
    """Log-probability of each answer, summed or averaged over its tokens.

    logits (N, L, V) at the position that predicts the label beside it, labels (N, L) with -100 where none is -> (N,).
    An answer without any label averages to NaN.
    """
    losses = F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
    sums = -losses.sum(1)
    return sums if form == "sum" else sums / (labels != IGNORED).sum(1)


def log_probabilities(
    model: T5ForConditionalGeneration,
    inputs: Tensor,
    mask: Tensor,
    owner: Tensor,
    labels: Tensor,
    form: Form,
    vocabulary: Tensor | None = None,
) -> Tensor:
    """Log-probabilities (N,) of answers `labels` (N, L) to the prompts `owner` (N,) of `inputs`, `mask` (P, S).

    `vocabulary` (C,), ascending, are the only tokens that can come, as when motions are sampled; without it any can.
    Each prompt is encoded once, and logits are made for those tokens only. Give the T5 itself
    (`PeftModel.get_base_model()`): the adapter's layers sit inside it.
    """
    encoded = model.get_encoder()(input_ids=inputs, attention_mask=mask).last_hidden_state
    hidden = model.get_decoder()(
        input_ids=model.prepare_decoder_input_ids_from_labels(labels),
        encoder_hidden_states=encoded[owner],
        encoder_attention_mask=mask[owner],
        use_cache=False,
    ).last_hidden_state
    if model.config.scale_decoder_outputs:
        hidden = hidden * model.model_dim**-0.5
    if vocabulary is None:
        return answer_log_probabilities(model.lm_head(hidden).float(), labels, form)
    logits = F.linear(hidden, model.lm_head.weight[vocabulary])
    places = torch.searchsorted(vocabulary, labels.clamp(min=0))
    return answer_log_probabilities(logits.float(), places.where(labels != IGNORED, labels), form)


def pair_log_probabilities(
    model: T5ForConditionalGeneration, batch: PairBatch, form: Form, vocabulary: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Log-probabilities (C,) of the chosen and (R,) of the rejected answers; see `log_probabilities`."""
    found = log_probabilities(model, batch.inputs, batch.mask, batch.owner, batch.labels, form, vocabulary)
    return found[batch.chosen], found[batch.rejected]


@torch.no_grad()
def reference_log_probabilities(
    model: T5ForConditionalGeneration,
    pairs: Sequence[TokenizedPair],
    pad: int,
    form: Form,
    batch_size: int = 64,
    vocabulary: Tensor | None = None,
    team: Team = ALONE,
) -> Tensor:
    """(pairs, 2) log-probabilities of chosen and rejected, on the CPU; 0 for a side that a pair lacks. For the
    reference the adapter must be off. A team shares the work."""
    shapes = [PairShape(pair.prompt, max(len(pair.chosen), len(pair.rejected))) for pair in pairs]
    order = by_length(shapes, range(len(pairs)))
    rows = team.share([order[start : start + batch_size] for start in range(0, len(order), batch_size)])
    found = torch.zeros(len(pairs), 2)
    for indices, batch in zip(rows, batches_of(pairs, rows, pad, model.device), strict=True):
        chosen, rejected = pair_log_probabilities(model, batch, form, vocabulary)
        places = torch.tensor(indices)
        found[places[batch.has_chosen.cpu()], 0] = chosen.cpu()
        found[places[batch.has_rejected.cpu()], 1] = rejected.cpu()
    return team.total(found.to(model.device)).cpu()
