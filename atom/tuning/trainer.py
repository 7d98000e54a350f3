"""Fine-tunes the language model's LoRA adapter on preferences."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor

from atom.config import TuningConfig
from atom.errors import AtomError
from atom.generation.generator import Generator
from atom.tuning.losses import PREFERENCE_LOSSES, sequence_log_probabilities

Progress = Callable[[int, int, dict[str, float]], None]
SAVE_EVERY = 25


@dataclass(frozen=True)
class TrainingPair:
    """A prompt and the codes of the better and the worse motion."""

    text: str
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


def tune(generator: Generator, pairs: Sequence[TrainingPair], config: TuningConfig, seed: int, folder: Path,
         progress: Progress | None = None, work: Path | None = None) -> list[dict[str, Any]]:  # fmt: skip
    """Tunes an adapter, saves it in peft's format in `folder` and returns the curves, one row a step.

    The reference is the model with the adapter off; its log-probabilities are computed once. With a `work` folder a
    cut-off run goes on from its last checkpoint with the same result as without the break (on CPU, to the bit).
    Raises AtomError when there are no pairs or the loss stops being a number.
    """
    if not pairs:
        raise AtomError("there are no preferences to tune on; lower preferences.min_gap or sample more candidates")
    torch.manual_seed(seed)
    model = add_adapter(generator, config)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=0.0)
    batches = _batches(pairs, config, seed)
    reference = reference_ratios(generator, model, pairs, config)
    rows: list[dict[str, Any]] = []
    checkpoint = work / "tuning.pt" if work else None
    if checkpoint and checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        with torch.no_grad():
            for parameter, value in zip(trained, saved["adapter"], strict=True):
                parameter.copy_(value)
        optimizer.load_state_dict(saved["optimizer"])
        rows = saved["rows"]
    warmup = min(config.warmup_steps, len(batches) // 2)
    began = time.monotonic() - (rows[-1]["seconds"] if rows else 0.0)
    per_epoch = math.ceil(len(pairs) / config.batch_size)
    for step in range(len(rows), len(batches)):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _schedule(step, warmup, len(batches))
        chosen_pairs = [pairs[i] for i in batches[step]]
        sums, lengths = answer_log_probabilities(generator, model, chosen_pairs)
        averaged = sums / lengths
        values = averaged if config.log_probability == "average" else sums
        chosen, rejected = values.chunk(2)
        ratio = chosen - rejected - reference[batches[step]].to(chosen.device)
        likelihood = -averaged[: len(chosen_pairs)].mean()
        if config.loss == "sft":
            preference, loss = torch.zeros(()), likelihood
        else:
            preference = PREFERENCE_LOSSES[config.loss](ratio, config.beta, config.label_smoothing).mean()
            loss = preference + config.chosen_weight * likelihood
        if not torch.isfinite(loss):
            raise AtomError(f"the tuning loss became {loss.item()} at step {step}; lower tuning.learning_rate")
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, config.gradient_clip)
        optimizer.step()
        rows.append({
            "step": step + 1, "epoch": (step + 1) / per_epoch, "loss": loss.item(),
            "preference_loss": preference.item(), "chosen_logp": chosen.mean().item(),
            "rejected_logp": rejected.mean().item(), "margin": ratio.mean().item(),
            "accuracy": (ratio > 0).float().mean().item(), "gradient_norm": norm.item(),
            "learning_rate": optimizer.param_groups[0]["lr"], "seconds": time.monotonic() - began,
        })  # fmt: skip
        if progress:
            progress(step + 1, len(batches), rows[-1])
        if checkpoint and (step + 1) % SAVE_EVERY == 0:
            _save(checkpoint, {
                "adapter": [parameter.detach() for parameter in trained], "optimizer": optimizer.state_dict(),
                "rows": rows,
            })  # fmt: skip
    model.eval()
    model.peft_config["default"].base_model_name_or_path = None  # a path of this machine has no place in it
    model.save_pretrained(folder)
    return rows


def add_adapter(generator: Generator, config: TuningConfig) -> PeftModel:
    """Puts a fresh LoRA adapter on the generator's language model. Without dropout, so training and reference agree."""
    targets = ["q", "v"] if config.targets == "q,v" else ["q", "k", "v", "o", "wi_0", "wi_1", "wo"]
    lora = LoraConfig(r=config.rank, lora_alpha=config.alpha, lora_dropout=0.0, target_modules=targets, bias="none")
    model = get_peft_model(generator.language_model, lora)
    generator.language_model = model.eval()
    return model


def answer_log_probabilities(generator: Generator, model: torch.nn.Module,
                             pairs: Sequence[TrainingPair]) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Summed log-probabilities and lengths (2B,) of the chosen, then of the rejected answers, end tokens included.

    Each prompt is encoded once for its two answers.
    """
    inputs, mask = generator.encode_prompts([pair.text for pair in pairs])
    end = generator.tokenizer.eos_token_id
    answers = [generator.motions.answer(pair.chosen, end) for pair in pairs]
    answers += [generator.motions.answer(pair.rejected, end) for pair in pairs]
    width = max(map(len, answers))
    labels = torch.tensor([row + [-100] * (width - len(row)) for row in answers], device=inputs.device)
    hidden = model.get_encoder()(input_ids=inputs, attention_mask=mask).last_hidden_state
    output = model(encoder_outputs=(hidden.repeat(2, 1, 1),), attention_mask=mask.repeat(2, 1), labels=labels)
    return sequence_log_probabilities(output.logits, labels)


@torch.no_grad()
def reference_ratios(generator: Generator, model: PeftModel, pairs: Sequence[TrainingPair],
                     config: TuningConfig, batch: int = 64) -> Tensor:  # fmt: skip
    """(pairs,) chosen minus rejected log-probability with the adapter off."""
    ratios = []
    with model.disable_adapter():
        for start in range(0, len(pairs), batch):
            sums, lengths = answer_log_probabilities(generator, model, pairs[start : start + batch])
            chosen, rejected = (sums / lengths if config.log_probability == "average" else sums).chunk(2)
            ratios.append((chosen - rejected).cpu())
    return torch.cat(ratios)


def _batches(pairs: Sequence[TrainingPair], config: TuningConfig, seed: int) -> list[np.ndarray]:
    """Indices of each step's pairs: every epoch all pairs once, in an order that only the seed decides."""
    rng = np.random.default_rng(seed)
    size = config.batch_size
    batches = []
    for _ in range(config.epochs):
        order = rng.permutation(len(pairs))
        batches += [order[start : start + size] for start in range(0, len(order), size)]
    return batches[: config.max_steps] if config.max_steps else batches


def _schedule(step: int, warmup: int, total: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total - warmup, 1)))


def _save(path: Path, state: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)
