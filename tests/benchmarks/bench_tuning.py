"""A step of preference tuning beside the plain way, on one thread: pairs a CPU-second, and pairs a gigabyte.

The shape is flan-t5-base's with motion tokens, random weights, LoRA on q and v, prompts of 20 tokens, answers of 50,
IPO. The plain way is what the peers do: chosen and rejected concatenated, the prompt encoded for each of them, policy
and reference in every step, logits over the whole vocabulary. Ours has the same loss and multiplies frozen layers by
oneDNN; with "motion rows" the policy is the one that is sampled from, which can say motion tokens only.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from measuring import Figure, main
from peft import PeftModel
from transformers import T5Config

from atom.config import TuningConfig
from atom.fast_linear import fast_frozen_linears
from atom.generation.language_model import build_language_model
from atom.tuning.adapter import add_adapter
from atom.tuning.batches import PairBatch
from atom.tuning.log_probabilities import (
    compute_answer_log_probs,
    compute_pair_log_probs,
    compute_reference_log_probs,
)
from atom.tuning.losses import ipo
from atom.tuning.pairs import TokenizedPair

WORDS, MOTION_ROWS = 32_100, 515
PROMPT, ANSWER, BETA = 20, 50, 0.1


def flan_t5_base() -> PeftModel:
    config = T5Config(
        vocab_size=WORDS + MOTION_ROWS,
        d_model=768,
        d_ff=2048,
        d_kv=64,
        num_layers=12,
        num_decoder_layers=12,
        num_heads=12,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    torch.manual_seed(0)
    return add_adapter(build_language_model(config), TuningConfig(r=8, lora_alpha=16, target_modules="q,v"), seed=0)


def pairs_of(prompts: int, candidates: int, pairs: int) -> list[TokenizedPair]:
    """`pairs` of the candidates of each prompt, each candidate in as few of them as can be."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(prompts):
        prompt = tuple(rng.integers(3, WORDS, PROMPT).tolist())
        answers = [tuple(rng.integers(WORDS, WORDS + MOTION_ROWS, ANSWER).tolist()) for _ in range(candidates)]
        for number in range(pairs):
            one = number % candidates
            other = (one + 1 + number // candidates) % candidates
            found.append(TokenizedPair(prompt, answers[one], answers[other]))
    return found


def plain_step(adapted: PeftModel, pairs: list[TokenizedPair]) -> torch.Tensor:
    device = next(adapted.parameters()).device
    inputs = torch.tensor([pair.prompt for pair in pairs] * 2, device=device)
    labels = torch.tensor([pair.chosen for pair in pairs] + [pair.rejected for pair in pairs], device=device)

    def forward() -> torch.Tensor:
        logits = adapted(input_ids=inputs, attention_mask=torch.ones_like(inputs), labels=labels).logits
        found = compute_answer_log_probs(logits, labels, "average")
        return found[: len(pairs)] - found[len(pairs) :]

    policy = forward()
    with torch.no_grad(), adapted.disable_adapter():
        reference = forward()
    return ipo(policy - reference, BETA).mean()


def our_step(
    adapted: PeftModel, pairs: list[TokenizedPair], reference: torch.Tensor, vocabulary: torch.Tensor | None
) -> torch.Tensor:
    batch = PairBatch.of(pairs, 0, reference.device)
    chosen, rejected = compute_pair_log_probs(adapted.get_base_model(), batch, "average", vocabulary)
    return ipo(chosen - rejected - (reference[:, 0] - reference[:, 1]), BETA).mean()


def timed(
    step: Callable[[], torch.Tensor], adapted: PeftModel, clock: Callable[[], float], repeats: int = 3
) -> tuple[float, float]:
    """Seconds of forward and backward, the least of some, and the loss."""
    times = []
    for _ in range(repeats):
        adapted.zero_grad()
        start = clock()
        loss = step()
        loss.backward()
        times.append(clock() - start)
    return min(times), float(loss.detach())


def one(way: str, prompts: int, candidates: int, pairs: int, epochs: int, device: str) -> dict[str, float]:
    """CPU-seconds a step (seconds on a GPU) and the memory beyond the weights, in a process that does nothing else."""
    torch.set_num_threads(1)
    adapted, batch = flan_t5_base().to(device), pairs_of(prompts, candidates, pairs)
    on_gpu = device.startswith("cuda")
    before = torch.cuda.memory_allocated() if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def clock() -> float:
        if not on_gpu:
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    if way == "plain":
        took, loss = timed(lambda: plain_step(adapted, batch), adapted, clock)
    else:
        vocabulary = torch.arange(WORDS, WORDS + MOTION_ROWS, device=device) if way == "motion rows" else None
        start = clock()
        with adapted.disable_adapter(), fast_frozen_linears(adapted):
            reference = compute_reference_log_probs(
                adapted.get_base_model(), batch, 0, "average", vocabulary=vocabulary
            )
        once = (clock() - start) / epochs  # the reference is looked up in all further epochs
        with fast_frozen_linears(adapted):
            took, loss = timed(lambda: our_step(adapted, batch, reference.to(device), vocabulary), adapted, clock)
        took += once
    after = torch.cuda.max_memory_allocated() if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": took, "loss": loss, "gigabytes": (after - before) / 1e9, "pairs": len(batch)}


def alone(*arguments: object) -> dict[str, float]:
    """`one` in a process of its own, so that its memory is its own."""
    command = [sys.executable, __file__, "--one", *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


CASES = {
    "4 pairs of 4 prompts": (4, 2, 1, 1),
    "4 pairs of 4 prompts, two epochs": (4, 2, 1, 2),
    "12 pairs of 2 prompts with 8 candidates": (2, 8, 6, 1),
    "12 pairs of 2 prompts with 8 candidates, two epochs": (2, 8, 6, 2),
}


def measure(device: str) -> Iterator[Figure]:
    for title, numbers in CASES.items():
        plain = alone("plain", *numbers, device)
        for way in ("ours", "motion rows"):
            found = alone(way, *numbers, device)
            path = f"tuning step, {title}" + (", motion rows" if way == "motion rows" else "")
            yield Figure(
                path,
                "pairs/CPU-s" if device == "cpu" else "pairs/s",
                found["pairs"] / found["seconds"],
                plain["pairs"] / plain["seconds"],
                "policy and reference on padded pairs",
                2.5,
                device=device,
            )
            yield Figure(
                f"{path}: memory",
                "pairs/GB",
                found["pairs"] / found["gigabytes"],
                plain["pairs"] / plain["gigabytes"],
                "the same, beyond the weights",
                1.0,
                device=device,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        way, *numbers, device = sys.argv[2:]
        print(json.dumps(one(way, *map(int, numbers), device)))
    else:
        main(measure, __doc__)
