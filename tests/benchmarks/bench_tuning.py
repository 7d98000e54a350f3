"""A step of preference tuning beside the plain way, on one thread: samples a CPU-second and peak memory.

Run `python tests/benchmarks/bench_tuning.py`. The shape is flan-t5-base's with motion tokens, random weights, LoRA on q
and v, prompts of 20 tokens, answers of 50, IPO. The plain way is what the peers do: chosen and rejected concatenated,
the prompt encoded for each of them, policy and reference in every step, logits over the whole vocabulary. "ours" has
the same loss; with "motion rows" the policy is the one that is sampled from, which can say motion tokens only.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from peft import PeftModel
from transformers import T5Config

from atom.config import TuningConfig
from atom.generation.language_model import build_language_model
from atom.tuning.adapter import add_adapter
from atom.tuning.batches import PairBatch
from atom.tuning.log_probabilities import (
    answer_log_probabilities,
    pair_log_probabilities,
    reference_log_probabilities,
)
from atom.tuning.losses import ipo
from atom.tuning.pairs import TokenizedPair

WORDS, MOTION_ROWS = 32_100, 515
PROMPT, ANSWER, BETA = 20, 50, 0.1


def flan_t5_base() -> PeftModel:
    config = T5Config(
        vocab_size=WORDS + MOTION_ROWS, d_model=768, d_ff=2048, d_kv=64, num_layers=12, num_decoder_layers=12,
        num_heads=12, feed_forward_proj="gated-gelu", dropout_rate=0.0, pad_token_id=0, eos_token_id=1,
        decoder_start_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    return add_adapter(build_language_model(config), TuningConfig(rank=8, alpha=16, targets="q,v"), seed=0)


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
    inputs = torch.tensor([pair.prompt for pair in pairs] * 2)
    labels = torch.tensor([pair.chosen for pair in pairs] + [pair.rejected for pair in pairs])

    def forward() -> torch.Tensor:
        logits = adapted(input_ids=inputs, attention_mask=torch.ones_like(inputs), labels=labels).logits
        found = answer_log_probabilities(logits, labels, "average")
        return found[: len(pairs)] - found[len(pairs) :]

    policy = forward()
    with torch.no_grad(), adapted.disable_adapter():
        reference = forward()
    return ipo(policy - reference, BETA).mean()


def our_step(
    adapted: PeftModel, pairs: list[TokenizedPair], reference: torch.Tensor, vocabulary: torch.Tensor | None
) -> torch.Tensor:
    batch = PairBatch.of(pairs, 0, torch.device("cpu"))
    chosen, rejected = pair_log_probabilities(adapted.get_base_model(), batch, "average", vocabulary)
    return ipo(chosen - rejected - (reference[:, 0] - reference[:, 1]), BETA).mean()


def timed(step: Callable[[], torch.Tensor], adapted: PeftModel, repeats: int) -> tuple[float, float]:
    """CPU-seconds of forward and backward, the least of some, and the loss."""
    times = []
    for _ in range(repeats):
        adapted.zero_grad()
        start = time.process_time()
        loss = step()
        loss.backward()
        times.append(time.process_time() - start)
    return min(times), float(loss.detach())


def measure(way: str, prompts: int, candidates: int, pairs: int, epochs: int, repeats: int) -> dict[str, float]:
    torch.set_num_threads(1)
    adapted, batch = flan_t5_base(), pairs_of(prompts, candidates, pairs)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if way == "plain":
        took, loss = timed(lambda: plain_step(adapted, batch), adapted, repeats)
    else:
        vocabulary = torch.arange(WORDS, WORDS + MOTION_ROWS) if way == "motion rows" else None
        start = time.process_time()
        with adapted.disable_adapter():
            reference = reference_log_probabilities(
                adapted.get_base_model(), batch, 0, "average", vocabulary=vocabulary
            )
        once = (time.process_time() - start) / epochs  # the reference is looked up in all further epochs
        took, loss = timed(lambda: our_step(adapted, batch, reference, vocabulary), adapted, repeats)
        took += once
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
    return {"seconds": took, "loss": loss, "megabytes": peak, "pairs": len(batch)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)  # way, prompts, candidates, pairs, epochs
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if options.one:
        way, *numbers = options.one
        print(json.dumps(measure(way, *map(int, numbers), options.repeats)))
        return

    def alone(way: str, *numbers: int) -> dict[str, float]:
        """In a process of its own, so that its memory is its own."""
        command = [sys.executable, __file__, "--repeats", str(options.repeats), "--one", way, *map(str, numbers)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    for title, numbers in {
        "4 pairs of 4 prompts, one epoch": (4, 2, 1, 1),
        "4 pairs of 4 prompts, two epochs": (4, 2, 1, 2),
        "12 pairs of 2 prompts with 8 candidates each, one epoch": (2, 8, 6, 1),
        "12 pairs of 2 prompts with 8 candidates each, two epochs": (2, 8, 6, 2),
    }.items():
        print(title)
        plain = alone("plain", *numbers)
        for name, found in (("plain", plain), *((way, alone(way, *numbers)) for way in ("ours", "motion rows"))):
            rate, faster = found["pairs"] / found["seconds"], plain["seconds"] / found["seconds"]
            print(
                f"  {name:12} {rate:5.2f} pairs/CPU-s ({faster:.2f} x)  {found['megabytes']:5.0f} MB over the weights "
                f"({found['megabytes'] / plain['megabytes']:.2f} x)",
                flush=True,
            )


if __name__ == "__main__":
    main()
