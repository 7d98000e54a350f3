"""How likely an encoder-decoder model finds given answers to given prompts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import T5ForConditionalGeneration

IGNORED = -100  # label of a position where no answer is asked, as everywhere in torch and transformers
Form = Literal["average", "sum"]
Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True)
class TokenizedPair:
    """Token ids of a prompt and its two answers, end tokens included."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


@dataclass(frozen=True)
class PairBatch:
    """B pairs as tensors, each prompt and each answer once, however many pairs share it.

    inputs, mask (P, S): the prompts; labels (N, L): the answers; owner (N,): the prompt of each answer; chosen,
    rejected (B,): the answers of each pair.
    """

    inputs: Tensor
    mask: Tensor
    labels: Tensor
    owner: Tensor
    chosen: Tensor
    rejected: Tensor

    @classmethod
    def of(cls, pairs: Sequence[TokenizedPair], pad: int, device: torch.device) -> PairBatch:
        """Pads to the longest on the right: prompts with `pad` under mask 0, answers with -100."""
        prompts = _numbered(pair.prompt for pair in pairs)
        answers = _numbered((pair.prompt, answer) for pair in pairs for answer in (pair.chosen, pair.rejected))
        tensors = (
            padded(list(prompts), pad),
            padded([(1,) * len(prompt) for prompt in prompts], 0),
            padded([answer for _, answer in answers], IGNORED),
            torch.tensor([prompts[prompt] for prompt, _ in answers]),
            torch.tensor([answers[pair.prompt, pair.chosen] for pair in pairs]),
            torch.tensor([answers[pair.prompt, pair.rejected] for pair in pairs]),
        )
        return cls(*(tensor.to(device) for tensor in tensors))


def by_length(pairs: Sequence[TokenizedPair], indices: Iterable[int]) -> list[int]:
    """The indices in an order that keeps pairs of about one length, and those of one prompt, together."""
    indices = list(indices)
    longest: dict[tuple[int, ...], int] = defaultdict(int)
    for pair in (pairs[i] for i in indices):
        longest[pair.prompt] = max(longest[pair.prompt], len(pair.chosen), len(pair.rejected))
    return sorted(indices, key=lambda i: (longest[pairs[i].prompt], pairs[i].prompt))


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
        input_ids=model.prepare_decoder_input_ids_from_labels(labels), encoder_hidden_states=encoded[owner],
        encoder_attention_mask=mask[owner], use_cache=False,
    ).last_hidden_state  # fmt: skip
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
    """Log-probabilities (B,) of the chosen and (B,) of the rejected answers; see `log_probabilities`."""
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
) -> Tensor:
    """(pairs, 2) log-probabilities of chosen and rejected, on the CPU. For the reference the adapter must be off."""
    order = by_length(pairs, range(len(pairs)))
    found = torch.empty(len(pairs), 2)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = PairBatch.of([pairs[i] for i in rows], pad, model.device)
        found[rows] = torch.stack(pair_log_probabilities(model, batch, form, vocabulary), dim=1).cpu()
    return found


def _numbered(items: Iterable[Item]) -> dict[Item, int]:
    return {item: number for number, item in enumerate(dict.fromkeys(items))}


def padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    """Rows of token ids as (rows, longest) int64, filled up with `value` on the right."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
