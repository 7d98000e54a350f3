"""Batched sampling with one seed per row: the same text and seed give the same motion in every batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from atom.generation.language_model_inference import AnswerDecoder, T5Inference


class GumbelNoise:
    """Gumbel noise for each row, from a counter-based random generator of its own that is seeded by the row's seed.

    The argmax of logits plus Gumbel noise is a sample of their softmax (Gumbel-max trick). The noise of a row does not
    depend on other rows, and two policies with the same seed differ only where their logits do, as a paired comparison
    needs.
    """

    def __init__(self, seeds: Sequence[int], width: int) -> None:
        self.streams = [np.random.Generator(np.random.Philox(key=seed)) for seed in seeds]
        self.width = width

    def draw(self) -> Tensor:
        """The next step's noise (rows, width) float32."""
        uniform = np.stack([stream.random(self.width) for stream in self.streams])
        return torch.from_numpy(-np.log(-np.log1p(-uniform))).float()

    def keep_rows(self, rows: Sequence[int]) -> None:
        self.streams = [self.streams[row] for row in rows]


@torch.inference_mode()
def sample_ids(
    inference: T5Inference,
    inputs: Tensor,
    mask: Tensor,
    seeds: Sequence[int],
    *,
    stop_ids: Sequence[int],
    temperature: float,
    top_k: int,
    max_new_tokens: int,
    top_p: float = 1.0,
) -> list[list[int]]:
    """Samples one answer for each row of `inputs`. Equal rows, such as the candidates of one prompt, are encoded once.

    Args:
        inference: the model, and the tokens that it may sample.
        inputs: token ids (B, S) of the prompts.
        mask: attention mask (B, S).
        seeds: the seed of each row.
        stop_ids: tokens that end an answer.
        temperature: 0 always takes the likeliest token.
        top_k: sample among this many likeliest tokens; 0 for all.
        max_new_tokens: the longest answer.
        top_p: sample among the likeliest tokens that together have at least this probability, after temperature and
            top_k.

    Returns:
        The token ids of each answer, up to and including the first stop token.
    """
    # numpy, because torch.unique does not return the index of each unique row.
    _, unique_rows, prompt_rows = np.unique(inputs.cpu().numpy(), axis=0, return_index=True, return_inverse=True)
    unique_rows, prompt_rows = (
        torch.from_numpy(rows.reshape(-1)).to(inputs.device) for rows in (unique_rows, prompt_rows)
    )
    states = inference.encode(inputs[unique_rows], mask[unique_rows])
    decoder = AnswerDecoder(inference, states, mask[unique_rows], prompt_rows, max_new_tokens)
    noise = GumbelNoise(seeds, len(inference.choices))
    last = inputs.new_full((len(inputs),), inference.model.config.decoder_start_token_id)
    answers: list[list[int]] = [[] for _ in seeds]
    active = list(range(len(seeds)))  # positions in `answers` of the rows that have not ended
    for _ in range(max_new_tokens):
        logits = decoder.next_logits(last)  # (rows, C)
        if temperature > 0:
            drawn = noise.draw().to(logits.device, non_blocking=True)
            logits = _keep_top_p(_keep_top_k(logits / temperature, top_k), top_p) + drawn
        # The largest of logits plus Gumbel noise is a draw from their softmax (the Gumbel-max trick).
        last = inference.choices[logits.argmax(1)]
        tokens = last.tolist()
        for row, token in zip(active, tokens, strict=True):
            answers[row].append(token)
        open_rows = [row for row, token in enumerate(tokens) if token not in stop_ids]
        if not open_rows:
            break
        if len(open_rows) < len(active):
            open_rows = decoder.keep_rows(open_rows)
            active = [active[row] for row in open_rows]
            noise.keep_rows(open_rows)
            last = last[open_rows]
    return answers


def _keep_top_k(logits: Tensor, top_k: int) -> Tensor:
    if not 0 < top_k < logits.shape[1]:
        return logits
    smallest = logits.topk(top_k).values[:, -1:]
    return logits.masked_fill(logits < smallest, -torch.inf)


def _keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Nucleus sampling (Holtzman et al. 2020, arXiv 1904.09751). The token that crosses `top_p` is kept."""
    if top_p >= 1:
        return logits
    ordered, order = logits.sort(descending=True)
    before = ordered.softmax(1).cumsum(1) - ordered.softmax(1)  # probability of all likelier tokens
    return logits.masked_fill((before >= top_p).scatter(1, order, before >= top_p), -torch.inf)
