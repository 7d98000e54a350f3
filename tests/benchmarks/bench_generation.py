"""Motions from texts: the VQ-VAE's decoder and the language model at their published size, random weights.

32 motions of 49 tokens are decoded; 32 prompts of 12 to 28 tokens are answered with 64 tokens each, greedily, and both
ways must say the same.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from full_size_motiongpt import T5
from full_size_motiongpt import TOKENS as WORDS
from measuring import Figure, in_turn, main, matrix_product_rate, reading_rate
from torch import Tensor, nn
from torch.nn import functional
from transformers import T5ForConditionalGeneration

from atom.generation.generator import Generator
from atom.generation.language_model import build_language_model
from atom.generation.language_model_inference import T5Inference
from atom.generation.sampling import sample_ids
from atom.generation.vqvae import VQVAE, Conv, UpsamplingConv

sys.path.append(str(Path(__file__).parents[1]))
from plain_decoder import decode_like_motiongpt

MOTIONS, CODES = 32, 49
PROMPTS, TOKENS, CANDIDATES, PADDED = 32, 64, 10, 256


def decoding_operations(model: VQVAE, tokens: Tensor) -> int:
    """Multiplications and additions of the decoder's products, as ours does them."""
    operations = 0

    def count(layer: Conv, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal operations
        inner = layer.weight[0].numel() * (2 / 3 if isinstance(layer, UpsamplingConv) else 1)
        operations += round(2 * output.numel() * inner)

    hooks = [layer.register_forward_hook(count) for layer in model.decoder.modules() if isinstance(layer, Conv)]
    model.decode(tokens)
    for hook in hooks:
        hook.remove()
    return operations


def flan_t5_base() -> T5ForConditionalGeneration:
    """Random, with scores of words so low that the likeliest token is a motion's and no answer ends."""
    torch.manual_seed(0)
    config = T5.config()
    config.update({"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0})
    model = build_language_model(config).eval()
    with torch.no_grad():
        model.lm_head.weight[:WORDS] *= 0.01
    return model


def drawn_prompts(device: str) -> tuple[Tensor, Tensor]:
    """Token ids and mask (PROMPTS, 28) of prompts of 12 to 28 tokens."""
    rng = np.random.default_rng(0)
    rows = [torch.from_numpy(rng.integers(3, WORDS, n)) for n in rng.integers(12, 29, PROMPTS)]
    inputs = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)
    return inputs, (inputs > 0).long()


def least_seconds(model: T5ForConditionalGeneration, mask: Tensor, device: str) -> tuple[float, str]:
    """The time that the products of encoding and of TOKENS steps take at the rate of a large product, or that it takes
    to read the decoder's weights in every step, whichever is more."""

    def numbers(stack: nn.Module) -> int:
        return sum(layer.weight.numel() for layer in stack.block.modules() if isinstance(layer, nn.Linear))

    once = 2 * T5.d_model * T5.heads * T5.d_kv * T5.decoder_layers  # keys and values of the text
    decoder = numbers(model.decoder) - once + (T5.rows - WORDS + 1) * T5.d_model
    operations = 2 * (int(mask.sum()) * (numbers(model.encoder) + once) + len(mask) * TOKENS * decoder)
    computing = operations / matrix_product_rate(device)
    reading = TOKENS * 4 * decoder / reading_rate(device)
    return max((computing, "matrix products"), (reading, "reading the weights"))


def of_decoder(device: str) -> Iterator[Figure]:
    torch.manual_seed(0)
    generator = Generator.load("builtin", device=device)
    generator.vqvae = model = VQVAE().eval().to(device).to_channels_last()
    model.quantizer.codebook.normal_()
    plain = VQVAE().eval().to(device)
    plain.load_state_dict(model.state_dict())  # in torch's own layout
    tokens = torch.randint(model.config.codes, (MOTIONS, CODES), device=device)
    expected = decode_like_motiongpt(plain, tokens)
    torch.testing.assert_close(model.decode(tokens), expected, rtol=1e-4, atol=1e-4 * float(expected.std()))
    ours, together, apart = in_turn(
        lambda: model.decode(tokens),
        lambda: decode_like_motiongpt(plain, tokens),
        lambda: [decode_like_motiongpt(plain, row[None]) for row in tokens],
        clock=clock_of(device),
    )
    operations, rate = decoding_operations(model, tokens), matrix_product_rate(device)
    limit = {"limit": rate * MOTIONS / operations, "limit_by": "matrix products", "device": device}
    size = f"{MOTIONS} x {CODES} tokens"
    for way, took, wanted in (("one batch", together, 1.2), ("one by one", apart, None)):
        yield Figure(f"decoding {size}", "motions/s", MOTIONS / ours, MOTIONS / took, way, wanted, **limit)
    yield Figure(
        f"decoding {size}, products",
        "Gop/s",
        operations / ours / 1e9,
        wanted=0.6 * rate / 1e9,
        limit=rate / 1e9,
        limit_by="matrix products",
        device=device,
    )

    rng = np.random.default_rng(0)
    motions = [rng.integers(0, model.config.codes, n).tolist() for n in rng.integers(10, CODES + 1, MOTIONS)]
    ours, apart = in_turn(
        lambda: generator.decode_features(motions),
        lambda: [decode_like_motiongpt(plain, torch.tensor([row], device=device)).cpu() for row in motions],
        clock=clock_of(device),
    )
    yield Figure(
        f"decoding {MOTIONS} of 10 to {CODES} tokens",
        "motions/s",
        MOTIONS / ours,
        MOTIONS / apart,
        "one by one",
        device=device,
    )


def of_language_model(device: str) -> Iterator[Figure]:
    model = flan_t5_base().to(device)
    choices = torch.tensor([1, *range(WORDS, model.config.vocab_size)], device=device)
    inputs, mask = drawn_prompts(device)

    def ours(rows: Tensor | slice = slice(None), stop_ids: Sequence[int] = (1,)) -> list[list[int]]:
        inference = T5Inference(model, choices)  # as `Generator.sample` makes it in every call
        seeds = range(len(inputs[rows]))
        return sample_ids(
            inference, inputs[rows], mask[rows], seeds, stop_ids=stop_ids, temperature=0, top_k=0, max_new_tokens=TOKENS
        )

    def plainly(rows: Tensor | slice = slice(None), padding: int = 0, stop_ids: Sequence[int] = (1,)) -> Tensor:
        """What the peers call: transformers' `generate` with its cache, over the whole vocabulary, until all ended."""
        ids, seen = (functional.pad(of[rows], (0, padding)) for of in (inputs, mask))
        return model.generate(
            input_ids=ids,
            attention_mask=seen,
            do_sample=False,
            num_beams=1,
            max_new_tokens=TOKENS,
            eos_token_id=list(stop_ids),
        )[:, 1:]

    def check(answers: list[list[int]], expected: Tensor) -> None:
        for answer, row in zip(answers, expected.tolist(), strict=True):
            assert answer == row[: len(answer)] and not any(row[len(answer) :])

    answers = ours()
    check(answers, plainly())
    assert {len(answer) for answer in answers} == {TOKENS}
    least, limit_by = least_seconds(model, mask, device)
    took, longest, padded = in_turn(
        ours, plainly, lambda: plainly(padding=PADDED - inputs.shape[1]), repeats=3, clock=clock_of(device)
    )
    for way, other, wanted in (("padded to the longest", longest, 1.6), (f"padded to {PADDED}", padded, 10)):
        yield Figure(
            f"answering {PROMPTS} prompts with {TOKENS} tokens",
            "tokens/s",
            PROMPTS * TOKENS / took,
            PROMPTS * TOKENS / other,
            f"transformers' generate, {way}",
            wanted,
            PROMPTS * TOKENS / least,
            limit_by,
            device,
        )

    # Some tokens are made to end an answer, so that the answers' lengths differ as those of motions do.
    said = np.unique([token for answer in answers for token in answer])
    stop_ids = np.random.default_rng(0).choice(said, len(said) // 30).tolist()
    ended = ours(stop_ids=stop_ids)
    check(ended, plainly(stop_ids=stop_ids))
    took, other = in_turn(
        lambda: ours(stop_ids=stop_ids), lambda: plainly(stop_ids=stop_ids), repeats=3, clock=clock_of(device)
    )
    lengths = sorted(map(len, ended))
    told = f"{lengths[0]} to {lengths[-1]}, on average {np.mean(lengths):.0f}"
    yield Figure(
        f"answering {PROMPTS} prompts with {told} tokens",
        "answers/s",
        PROMPTS / took,
        PROMPTS / other,
        "transformers' generate, padded to the longest",
        1.6,
        device=device,
    )

    rows = torch.arange(4, device=device).repeat_interleave(CANDIDATES)
    check(ours(rows), plainly(rows))
    took, other = in_turn(lambda: ours(rows), lambda: plainly(rows), repeats=3, clock=clock_of(device))
    yield Figure(
        f"{CANDIDATES} candidates of 4 prompts",
        "answers/s",
        len(rows) / took,
        len(rows) / other,
        f"transformers' generate, each prompt encoded {CANDIDATES} times",
        device=device,
    )


@torch.inference_mode()
def measure(device: str) -> Iterator[Figure]:
    yield from of_decoder(device)
    yield from of_language_model(device)


def clock_of(device: str) -> Callable[[], float]:
    def clock() -> float:
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter()

    return clock


if __name__ == "__main__":
    main(measure, __doc__)
