"""Batches of training pairs: which pairs a step takes, and their tensors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from atom.config import TuningConfig
from atom.tuning.pairs import PairShape, TokenizedPair

IGNORE_INDEX = -100  # label of a position without an answer token, as in torch and transformers

# Batches whose pairs are sorted by length together. More of them means less padding and more shared answers; fewer of
# them means better mixed prompts.
POOLED_BATCHES = 16

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class PairBatch:
    """B pairs as tensors, in which each of P prompts and each of N answers stands once, however many pairs share it.

    Only unpaired feedback lacks a side, so for pairs C = R = B.

    Attributes:
        input_ids: (P, S) token ids of the prompts, padded on the right.
        attention_mask: (P, S) 1 for tokens of the prompt, 0 for padding.
        labels: (N, L) token ids of the answers, padded on the right with -100.
        prompt_index: (N,) the prompt of each answer.
        chosen_index: (C,) the chosen answer of each pair that has one.
        rejected_index: (R,) the rejected answer of each pair that has one.
        has_chosen: (B,) bool, whether a pair has a chosen side.
        has_rejected: (B,) bool, whether a pair has a rejected side.
    """

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    prompt_index: Tensor
    chosen_index: Tensor
    rejected_index: Tensor
    has_chosen: Tensor
    has_rejected: Tensor

    @classmethod
    def of(cls, pairs: Sequence[TokenizedPair], pad: int, device: torch.device) -> PairBatch:
        """Collates pairs into a batch.

        Args:
            pairs: the B pairs.
            pad: the token id that fills up the prompts.
            device: where the tensors go.

        Returns:
            The batch; prompts and answers are padded to the longest of each.
        """
        prompts = _number_distinct(pair.prompt for pair in pairs)
        answers = _number_distinct(
            (pair.prompt, side) for pair in pairs for side in (pair.chosen, pair.rejected) if side
        )
        tensors = (
            pad_right(list(prompts), pad),
            pad_right([(1,) * len(prompt) for prompt in prompts], 0),
            pad_right([answer for _, answer in answers], IGNORE_INDEX),
            torch.tensor([prompts[prompt] for prompt, _ in answers]),
            torch.tensor([answers[pair.prompt, pair.chosen] for pair in pairs if pair.chosen], dtype=torch.long),
            torch.tensor([answers[pair.prompt, pair.rejected] for pair in pairs if pair.rejected], dtype=torch.long),
            torch.tensor([bool(pair.chosen) for pair in pairs]),
            torch.tensor([bool(pair.rejected) for pair in pairs]),
        )
        return cls(*(tensor.to(device) for tensor in tensors))


def iterate_batches(
    pairs: Sequence[TokenizedPair], batch_indices: Sequence[Sequence[int]], pad: int, device: torch.device
) -> Iterator[PairBatch]:
    """Yields batches, each read and collated only when its turn comes.

    Args:
        pairs: all pairs.
        batch_indices: the indices of the pairs of each batch.
        pad: the token id that fills up the prompts.
        device: where the tensors go.

    Yields:
        One batch for each entry of `batch_indices`, in that order.
    """
    collate = partial(PairBatch.of, pad=pad, device=device)
    yield from DataLoader(pairs, batch_sampler=batch_indices, collate_fn=collate)  # type: ignore[arg-type]


def sort_by_length(shapes: Sequence[PairShape], indices: Iterable[int]) -> list[int]:
    """Sorts pairs so that those of similar length stand together, and so do those of one prompt.

    Args:
        shapes: of all pairs.
        indices: the pairs to sort.

    Returns:
        The same indices, sorted by the longest answer of the prompt, then by the prompt.
    """
    indices = list(indices)
    longest: dict[Hashable, int] = defaultdict(int)
    for shape in (shapes[i] for i in indices):
        longest[shape.prompt] = max(longest[shape.prompt], shape.length)
    return sorted(indices, key=lambda i: (longest[shapes[i].prompt], shapes[i].prompt))


def plan_batches(shapes: Sequence[PairShape], config: TuningConfig, seed: int) -> list[list[int]]:
    """Plans which pairs each step takes: every pair once an epoch, in batches of similar length.

    Args:
        shapes: of all pairs.
        config: `batch_size`, `epochs` and `max_steps` (if it is set, the plan ends there).
        seed: alone decides the order.

    Returns:
        The indices of the pairs of each step.
    """
    rng = np.random.default_rng(seed)
    size = config.batch_size
    batches: list[list[int]] = []
    for _ in range(config.num_train_epochs):
        order = rng.permutation(len(shapes)).tolist()
        epoch: list[list[int]] = []
        for start in range(0, len(order), size * POOLED_BATCHES):
            pool = sort_by_length(shapes, order[start : start + size * POOLED_BATCHES])
            epoch += [pool[offset : offset + size] for offset in range(0, len(pool), size)]
        # Within a pool the batches are sorted by length, so their order is drawn again.
        batches += [epoch[i] for i in rng.permutation(len(epoch))]
    return batches[: config.max_steps] if config.max_steps else batches


def _number_distinct(keys: Iterable[Key]) -> dict[Key, int]:
    return {key: number for number, key in enumerate(dict.fromkeys(keys))}


def pad_right(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    """Pads rows of token ids on the right to the longest of them.

    Args:
        rows: at least one row.
        value: the token id to fill up with.

    Returns:
        (rows, longest) int64.
    """
    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
