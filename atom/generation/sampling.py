"""Batched sampling with one seed a sample: the same text and seed give the same motion, whatever the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from atom.generation.language_model_inference import Answers, Inference


class RowNoise:
    """Gumbel noise of each row from a counter-based generator of its own, keyed by the row's seed alone.

    The greatest of score plus noise is a sample of the softmax of the scores. The noise of a row knows nothing of
    other rows, and two policies given the same seed part only where their scores do: fair for paired comparison.
    """

    def __init__(self, seeds: Sequence[int], width: int) -> None:
        self.streams = [np.random.Generator(np.random.Philox(key=seed)) for seed in seeds]
        self.width = width

    def draw(self) -> Tensor:
        """The next step's noise (rows, width) float32."""
        uniform = np.stack([stream.random(self.width) for stream in self.streams])
        return torch.from_numpy(-np.log(-np.log1p(-uniform))).float()

    def keep(self, rows: Sequence[int]) -> None:
        self.streams = [self.streams[row] for row in rows]


@torch.inference_mode()
def sample_ids(
    inference: Inference,
    inputs: Tensor,
    mask: Tensor,
    seeds: Sequence[int],
    *,
    stops: Sequence[int],
    temperature: float,
    top_k: int,
    max_new_tokens: int,
    top_p: float = 1.0,
) -> list[list[int]]:
    """Token ids of one answer for each row of `inputs` (B, S), up to and including the first of `stops`.

    `temperature` 0 takes the likeliest token; `top_k` 0 keeps all choices; `top_p` keeps the likeliest ones that
    together have at least this probability, after temperature and top_k. Rows with the same text, as the candidates of
    one prompt, are encoded once.
    """
    _, first, owner = np.unique(inputs.cpu().numpy(), axis=0, return_index=True, return_inverse=True)
    first, owner = (torch.from_numpy(rows.reshape(-1)).to(inputs.device) for rows in (first, owner))
    states = inference.encode(inputs[first], mask[first])
    writing = Answers(inference, states, mask[first], owner, max_new_tokens)
    noise = RowNoise(seeds, len(inference.choices))
    last = inputs.new_full((len(inputs),), inference.model.config.decoder_start_token_id)
    answers: list[list[int]] = [[] for _ in seeds]
    going = list(range(len(seeds)))  # rows still being written, as positions in `answers`
    for _ in range(max_new_tokens):
        scores = writing.scores(last)  # (rows, C)
        if temperature > 0:
            drawn = noise.draw().to(scores.device, non_blocking=True)
            scores = _nucleus(_only_best(scores / temperature, top_k), top_p) + drawn
        last = inference.choices[scores.argmax(1)]
        tokens = last.tolist()
        for row, token in zip(going, tokens, strict=True):
            answers[row].append(token)
        open_rows = [row for row, token in enumerate(tokens) if token not in stops]
        if not open_rows:
            break
        if len(open_rows) < len(going):
            open_rows = writing.keep(open_rows)
            going = [going[row] for row in open_rows]
            noise.keep(open_rows)
            last = last[open_rows]
    return answers


def _only_best(scores: Tensor, top_k: int) -> Tensor:
    if not 0 < top_k < scores.shape[1]:
        return scores
    least = scores.topk(top_k).values[:, -1:]
    return scores.masked_fill(scores < least, -torch.inf)


def _nucleus(scores: Tensor, top_p: float) -> Tensor:
    """Source: Holtzman et al. 2020 (arXiv 1904.09751); the choice that crosses `top_p` is kept."""
    if top_p >= 1:
        return scores
    ordered, places = scores.sort(descending=True)
    before = ordered.softmax(1).cumsum(1) - ordered.softmax(1)  # probability of all that are likelier
    return scores.masked_fill((before >= top_p).scatter(1, places, before >= top_p), -torch.inf)
