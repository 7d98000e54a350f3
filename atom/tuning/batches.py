"""Pairs put together into the batches of a tuning."""

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

IGNORED = -100  # label of a position where no answer is asked, as everywhere in torch and transformers

# Batches whose pairs are sorted together: more of them pad less and share more answers, fewer mix the prompts better.
POOLED_BATCHES = 16

Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True)
class PairBatch:
    """B pairs as tensors, each prompt and each answer once, however many pairs share it.

    inputs, mask (P, S): the prompts; labels (N, L): the answers; owner (N,): the prompt of each answer; chosen (C,),
    rejected (R,): the answers of each pair; has_chosen, has_rejected (B,): whether a pair has that side. Only feedback
    on single motions lacks one.
    """

    inputs: Tensor
    mask: Tensor
    labels: Tensor
    owner: Tensor
    chosen: Tensor
    rejected: Tensor
    has_chosen: Tensor
    has_rejected: Tensor

    @classmethod
    def of(cls, pairs: Sequence[TokenizedPair], pad: int, device: torch.device) -> PairBatch:
        """Pads to the longest on the right: prompts with `pad` under mask 0, answers with -100."""
        prompts = _numbered(pair.prompt for pair in pairs)
        answers = _numbered((pair.prompt, side) for pair in pairs for side in (pair.chosen, pair.rejected) if side)
        tensors = (
            padded(list(prompts), pad),
            padded([(1,) * len(prompt) for prompt in prompts], 0),
            padded([answer for _, answer in answers], IGNORED),
            torch.tensor([prompts[prompt] for prompt, _ in answers]),
            torch.tensor([answers[pair.prompt, pair.chosen] for pair in pairs if pair.chosen], dtype=torch.long),
            torch.tensor([answers[pair.prompt, pair.rejected] for pair in pairs if pair.rejected], dtype=torch.long),
            torch.tensor([bool(pair.chosen) for pair in pairs]),
            torch.tensor([bool(pair.rejected) for pair in pairs]),
        )
        return cls(*(tensor.to(device) for tensor in tensors))


def batches_of(
    pairs: Sequence[TokenizedPair], rows: Sequence[Sequence[int]], pad: int, device: torch.device
) -> Iterator[PairBatch]:
    """The batches of these rows, each read and put together when its turn comes."""
    put_together = partial(PairBatch.of, pad=pad, device=device)
    yield from DataLoader(pairs, batch_sampler=rows, collate_fn=put_together)  # type: ignore[arg-type]


def by_length(shapes: Sequence[PairShape], indices: Iterable[int]) -> list[int]:
    """The indices in an order that keeps pairs of about one length, and those of one prompt, together."""
    indices = list(indices)
    longest: dict[Hashable, int] = defaultdict(int)
    for shape in (shapes[i] for i in indices):
        longest[shape.prompt] = max(longest[shape.prompt], shape.longest)
    return sorted(indices, key=lambda i: (longest[shapes[i].prompt], shapes[i].prompt))


def plan_batches(shapes: Sequence[PairShape], config: TuningConfig, seed: int) -> list[list[int]]:
    """Which pairs each step takes: all once an epoch, in batches of about one length, an order that only the seed
    decides. Ends after `max_steps` if that is set."""
    rng = np.random.default_rng(seed)
    size = config.batch_size
    batches: list[list[int]] = []
    for _ in range(config.epochs):
        order = rng.permutation(len(shapes)).tolist()
        epoch: list[list[int]] = []
        for start in range(0, len(order), size * POOLED_BATCHES):
            pool = by_length(shapes, order[start : start + size * POOLED_BATCHES])
            epoch += [pool[first : first + size] for first in range(0, len(pool), size)]
        batches += [epoch[i] for i in rng.permutation(len(epoch))]
    return batches[: config.max_steps] if config.max_steps else batches


def _numbered(items: Iterable[Item]) -> dict[Item, int]:
    return {item: number for number, item in enumerate(dict.fromkeys(items))}


def padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    """Rows of token ids as (rows, longest) int64, filled up with `value` on the right."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
