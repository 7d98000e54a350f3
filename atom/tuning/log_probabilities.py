"""Log-probabilities of given answers to given prompts under an encoder-decoder model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import T5ForConditionalGeneration

from atom.tuning.batches import IGNORE_INDEX, PairBatch, iterate_batches, sort_by_length
from atom.tuning.pairs import PairShape, TokenizedPair
from atom.tuning.process_group import SINGLE_PROCESS, ProcessGroup

Reduction = Literal["average", "sum"]
"""How the log-probabilities of an answer's tokens become one number."""


def compute_answer_log_probs(logits: Tensor, labels: Tensor, reduction: Reduction) -> Tensor:
    """Log-probability of each answer from the logits of its tokens.

    Args:
        logits: (N, L, V), at the position that predicts the label of the same index.
        labels: (N, L) token ids, -100 for padding.
        reduction: whether log-probabilities are summed or averaged over the tokens of an answer.

    Returns:
        (N,) log-probabilities. The average of an answer without any label is NaN.
    """
    losses = F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORE_INDEX, reduction="none")
    sums = -losses.sum(1)
    return sums if reduction == "sum" else sums / (labels != IGNORE_INDEX).sum(1)


def compute_log_probs(
    model: T5ForConditionalGeneration,
    input_ids: Tensor,
    attention_mask: Tensor,
    prompt_index: Tensor,
    labels: Tensor,
    reduction: Reduction,
    vocabulary: Tensor | None = None,
) -> Tensor:
    """Log-probabilities of answers, several of which may share a prompt: each prompt is encoded once.

    Args:
        model: the T5 itself, for a PEFT model its `get_base_model()`: the adapter's layers sit inside it.
        input_ids: (P, S) token ids of the prompts.
        attention_mask: (P, S) 1 for tokens, 0 for padding.
        prompt_index: (N,) the prompt of each answer.
        labels: (N, L) token ids of the answers, -100 for padding.
        reduction: "sum" or "average" over the tokens of an answer.
        vocabulary: (C,) ascending ids of the only tokens that are possible, as in constrained sampling; logits are
            computed for them alone. None allows every token.

    Returns:
        (N,) log-probabilities.
    """
    encoded = model.get_encoder()(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    hidden = model.get_decoder()(
        input_ids=model.prepare_decoder_input_ids_from_labels(labels),
        encoder_hidden_states=encoded[prompt_index],
        encoder_attention_mask=attention_mask[prompt_index],
        use_cache=False,
    ).last_hidden_state
    # T5 scales the decoder's output before a language model head that shares the embedding's weights. The model's own
    # forward does this; here encoder and decoder are called apart.
    if model.config.scale_decoder_outputs:
        hidden = hidden * model.model_dim**-0.5
    if vocabulary is None:
        return compute_answer_log_probs(model.lm_head(hidden).float(), labels, reduction)
    logits = F.linear(hidden, model.lm_head.weight[vocabulary])
    # Labels become places in the small vocabulary. -100 can't be searched for, so it is clamped here and put back
    # below.
    positions = torch.searchsorted(vocabulary, labels.clamp(min=0))
    return compute_answer_log_probs(logits.float(), positions.where(labels != IGNORE_INDEX, labels), reduction)


def compute_pair_log_probs(
    model: T5ForConditionalGeneration, batch: PairBatch, reduction: Reduction, vocabulary: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Log-probabilities of both sides of a batch of pairs.

    Args:
        model: as for `compute_log_probs`.
        batch: the pairs.
        reduction: "sum" or "average" over the tokens of an answer.
        vocabulary: as for `compute_log_probs`.

    Returns:
        (C,) of the chosen and (R,) of the rejected answers.
    """
    log_probs = compute_log_probs(
        model, batch.input_ids, batch.attention_mask, batch.prompt_index, batch.labels, reduction, vocabulary
    )
    return log_probs[batch.chosen_index], log_probs[batch.rejected_index]


@torch.no_grad()
def compute_reference_log_probs(
    model: T5ForConditionalGeneration,
    pairs: Sequence[TokenizedPair],
    pad: int,
    reduction: Reduction,
    batch_size: int = 64,
    vocabulary: Tensor | None = None,
    process_group: ProcessGroup = SINGLE_PROCESS,
) -> Tensor:
    """Log-probabilities of all pairs under the reference model.

    Args:
        model: as for `compute_log_probs`; the caller turns the adapter off.
        pairs: the pairs.
        pad: the token id that fills up the prompts.
        reduction: "sum" or "average" over the tokens of an answer.
        batch_size: pairs in memory at a time.
        vocabulary: as for `compute_log_probs`.
        process_group: its processes share the work.

    Returns:
        (pairs, 2) chosen and rejected, on the CPU; 0 for a missing side.
    """
    shapes = [PairShape(pair.prompt, max(len(pair.chosen), len(pair.rejected))) for pair in pairs]
    order = sort_by_length(shapes, range(len(pairs)))
    batches = process_group.shard([order[start : start + batch_size] for start in range(0, len(order), batch_size)])
    log_probs = torch.zeros(len(pairs), 2)
    for indices, batch in zip(batches, iterate_batches(pairs, batches, pad, model.device), strict=True):
        chosen, rejected = compute_pair_log_probs(model, batch, reduction, vocabulary)
        rows = torch.tensor(indices)
        log_probs[rows[batch.has_chosen.cpu()], 0] = chosen.cpu()
        log_probs[rows[batch.has_rejected.cpu()], 1] = rejected.cpu()
    # Each process filled the rows of its shard and left the others at zero, so the sum is the whole table.
    return process_group.all_reduce(log_probs.to(model.device)).cpu()
