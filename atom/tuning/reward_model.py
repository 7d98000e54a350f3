"""A network that learns from preferences what a judge likes, for judges too slow or too dear to be asked on-policy.

It is a copy of the generator's own T5, so it starts from all that the checkpoint knows of words and motion tokens, with
a linear head on its mean state over the motion. The loss is `atom.tuning.losses.bradley_terry`. All pairs of a prompt
are in one step and each of their motions is read once, for pairs that share motions overfit when they are shuffled:
Ouyang et al. 2022, "Training language models to follow instructions" (arXiv 2203.02155), section 3.5.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from atom.atomic_write import write_atomically
from atom.config import Degree, RewardModelConfig, RewardNetwork
from atom.errors import AtomError
from atom.evaluation.agreement import spearman
from atom.generation.generator import Generator
from atom.generation.weights import check_fit, read_safetensors
from atom.preferences.pairs import DEGREES
from atom.tuning.adapter_trainer import learning_rate
from atom.tuning.batches import pad_right
from atom.tuning.losses import bradley_terry
from atom.tuning.rewards import RolloutPrompt
from atom.tuning.trainer_state import load_trainer_state, save_trainer_state

WEIGHTS, CARD = "reward_model.safetensors", "reward_model.json"
FILES = (WEIGHTS, CARD)

_READ_AT_ONCE = 128  # motions
_GAPS: dict[Degree, float] = {degree: least for least, degree in DEGREES}  # the least that a degree stands for
Metrics = dict[str, Any]


@dataclass(frozen=True)
class RewardPair:
    """A text, the codes of the better and the worse motion, their scores (1 to 5) and how clear it is, where known."""

    text: str
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    chosen_score: float | None = None
    rejected_score: float | None = None
    degree: Degree | None = None

    @property
    def gap(self) -> float:
        """In points of the score: of the scores themselves, else the least of the degree; 0 where a comparison
        overruled the scores or nothing is known."""
        if self.chosen_score is not None and self.rejected_score is not None:
            return max(self.chosen_score - self.rejected_score, 0.0)
        return _GAPS[self.degree] if self.degree else 0.0


class RewardModel(nn.Module):
    """Reads texts and motions, and gives one number for each, higher for what is liked better.

    `network` is what reads: "whole" is the T5 as it is, the encoder for the text and the decoder for the motion;
    "encoder" is its encoder alone, which reads the motion after the text. `mean` and `deviation` are those of the
    numbers of the motions that it was trained on. AtomError when the generator has an adapter.
    """

    def __init__(self, generator: Generator, network: RewardNetwork) -> None:
        super().__init__()
        if isinstance(generator.language_model, PeftModel):
            raise AtomError("the generator has an adapter; a reward model starts from the base, load it without one")
        self.network, self.identity = network, ""
        self.mean, self.deviation = 0.0, 1.0
        self._generator = generator
        if network == "encoder":
            self.reader = copy.deepcopy(generator.language_model.get_encoder())
        else:
            self.reader = copy.deepcopy(generator.language_model)
            self.reader.lm_head = nn.Identity()
        self.head = nn.Linear(self.reader.config.d_model, 1, device=generator.device)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.eval()  # no dropout, as in all tuning here

    @classmethod
    def load(cls, folder: Path, generator: Generator) -> RewardModel:
        """The reward model of a folder that `train_reward_model` wrote, on the generator's device. AtomError where it
        was trained on another base, or is cut off or damaged."""
        try:
            card = json.loads((folder / CARD).read_text())
            base, network = card["base_weights"], card["network"]
            mean, deviation = float(card["mean"]), float(card["deviation"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AtomError(f"{folder} is no reward model: {CARD} can't be read ({error!r})") from error
        if base != generator.weights_hash:
            raise AtomError(
                f"the reward model {folder} was trained on a base with the hash {base[:12]}..., this one has "
                f"{generator.weights_hash[:12]}...: give the checkpoint that it belongs to"
            )
        model = cls(generator, network)
        state = read_safetensors(folder / WEIGHTS)
        check_fit(state, dict(model.named_parameters()), f"the reward model {folder}")
        model._take(state)
        model.mean, model.deviation = mean, deviation
        model.identity = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        return model.requires_grad_(False)

    def forward(self, texts: Sequence[str], motions: Sequence[Sequence[int]]) -> Tensor:
        """Numbers (N,) of any size for motions as codes, each for the text at its place."""
        vocabulary, tokenizer = self._generator.motions, self._generator.tokenizer
        answers = [vocabulary.answer(codes, tokenizer.eos_token_id) for codes in motions]
        place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        inputs, mask = self._generator.encode_prompts(list(place))
        if self.network == "encoder":
            asked = [row[kept].tolist() for row, kept in zip(inputs, mask.bool(), strict=True)]
            prompts = [asked[place[text]] for text in texts]
            rows = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
            lengths = [len(prompt) for prompt in prompts]
            ids, read = self._padded(rows)
            states = self.reader(input_ids=ids, attention_mask=read).last_hidden_state
            of_motion = read * (torch.arange(ids.shape[1]) >= torch.tensor(lengths)[:, None]).to(read)
        else:
            ids, of_motion = self._padded(answers)
            owner = torch.tensor([place[text] for text in texts], device=ids.device)
            encoded = self.reader.get_encoder()(input_ids=inputs, attention_mask=mask).last_hidden_state
            states = self.reader.get_decoder()(
                input_ids=ids,
                encoder_hidden_states=encoded[owner],
                encoder_attention_mask=mask[owner],
                use_cache=False,
            ).last_hidden_state
        weights = of_motion / of_motion.sum(1, keepdim=True)
        return self.head((states * weights[:, :, None]).sum(1))[:, 0]

    @torch.no_grad()
    def numbers(self, texts: Sequence[str], motions: Sequence[Sequence[int]]) -> Tensor:
        """As `forward`, in batches of about one length, on the CPU."""
        order = sorted(range(len(motions)), key=lambda i: len(motions[i]))
        found = torch.empty(len(motions))
        for start in range(0, len(order), _READ_AT_ONCE):
            rows = order[start : start + _READ_AT_ONCE]
            found[rows] = self([texts[i] for i in rows], [motions[i] for i in rows]).float().cpu()
        return found

    def of(self, prompts: Sequence[RolloutPrompt], motions: Sequence[Sequence[int]]) -> list[float]:
        """Rewards as `atom.tuning.rewards.RewardFunction` wants them: the logistic function of how many standard deviations a
        number lies above the mean of the training motions, so that these have about 0.5."""
        numbers = self.numbers([prompt.text for prompt in prompts], motions)
        return torch.sigmoid((numbers - self.mean) / self.deviation).tolist()

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Token ids (N, L), and a mask (N, L) of 1 where there are any."""
        mask = pad_right([[1] * len(row) for row in rows], 0)
        ids = pad_right(rows, self._generator.tokenizer.pad_token_id)
        return ids.to(self._generator.device), mask.to(self._generator.device)

    def _take(self, state: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(state[name])

    def _weights(self) -> dict[str, Tensor]:
        """A copy on the CPU, matrices of two names once."""
        return {name: value.detach().cpu().clone() for name, value in self.named_parameters()}


def train_reward_model(
    generator: Generator,
    pairs: Sequence[RewardPair],
    config: RewardModelConfig,
    seed: int,
    folder: Path,
    progress: Callable[[int, int, Metrics], None] | None = None,
    work: Path | None = None,
) -> list[Metrics]:
    """Trains a reward model, saves that of the epoch with the best accuracy on held-out prompts in `folder`, and
    returns a row an epoch.

    A row tells the mean loss, the share of held-out pairs in the right order (`accuracy`), that of the pairs trained
    on (`training_accuracy`, seen while they were trained on), and Spearman's rank correlation with the judge's scores
    among the motions of a held-out prompt, the mean over prompts (None where no scores are known).

    With a `work` folder the state is kept after every epoch; a training that was cut off goes on from there and ends
    with the same weights as without the break (on CPU with as many threads, to the bit). Raises AtomError when there
    are pairs of fewer than two prompts, or the loss stops being a number.
    """
    training = _Training(generator, pairs, config, seed)
    state = work / f"reward-model-{training.fingerprint}.pt" if work else None
    if state is not None and state.exists():
        training.restore(state)
    while len(training.rows) < config.num_train_epochs:
        training.epoch()
        if state is not None:
            training.save(state)
        if progress:
            progress(len(training.rows), config.num_train_epochs, training.rows[-1])
    training.write(folder)
    if state is not None:
        state.unlink(missing_ok=True)
    return training.rows


class _Compared:
    """The pairs of one prompt, each of its motions once."""

    def __init__(self, text: str, pairs: Sequence[RewardPair]) -> None:
        scores: dict[tuple[int, ...], float | None] = {}
        for pair in pairs:
            scores |= {pair.chosen: pair.chosen_score, pair.rejected: pair.rejected_score}
        self.text, self.motions, self.scores = text, list(scores), list(scores.values())
        place = {motion: number for number, motion in enumerate(scores)}
        self.chosen = [place[pair.chosen] for pair in pairs]
        self.rejected = [place[pair.rejected] for pair in pairs]
        self.gaps = [pair.gap for pair in pairs]


class _Training:
    """What is drawn at random in an epoch comes from the seed and the epoch's number."""

    def __init__(self, generator: Generator, pairs: Sequence[RewardPair], config: RewardModelConfig, seed: int) -> None:
        by_text: dict[str, list[RewardPair]] = defaultdict(list)
        for pair in pairs:
            by_text[pair.text].append(pair)
        if len(by_text) < 2:
            raise AtomError(
                f"a reward model needs pairs of two prompts or more, some to train on and some to hold out; there are "
                f"{len(by_text)}: raise prompts.train_per_task or lower preferences.min_gap"
            )
        compared = [_Compared(text, by_text[text]) for text in sorted(by_text)]
        order = np.random.default_rng([seed, 50]).permutation(len(compared)).tolist()
        held = min(max(round(config.held_out * len(compared)), 1), len(compared) - 1)
        self.held, self.trained = ([compared[i] for i in part] for part in (order[:held], order[held:]))
        self.base, self.pairs, self.config, self.seed = generator.weights_hash, len(pairs), config, seed
        self.pairs_hash = _hash([asdict(pair) for pair in pairs])
        self.fingerprint = _hash([self.base, generator.template, self.pairs_hash, config.model_dump(), seed])
        self.model = RewardModel(generator, config.network).requires_grad_(True)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=config.learning_rate, weight_decay=0.0)
        self.rows: list[Metrics] = []
        self.best: dict[str, Tensor] = {}
        self.began = time.monotonic()

    def epoch(self) -> None:
        """Trains on all prompts that are not held out, and looks how well the others are told apart."""
        number, size = len(self.rows), self.config.prompts
        order = np.random.default_rng([self.seed, 51, number]).permutation(len(self.trained)).tolist()
        losses: list[float] = []
        right: list[bool] = []
        a_pass = math.ceil(len(order) / size)
        for step in range(a_pass):
            batch = [self.trained[i] for i in order[step * size : (step + 1) * size]]
            rate = learning_rate(
                number * a_pass + step,
                self.config.num_train_epochs * a_pass,
                self.config.learning_rate,
                self.config.warmup_steps,
            )
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            chosen, rejected, gaps = _sides(batch, self._read(batch, self.model))
            loss = bradley_terry(chosen, rejected, self.config.margin * gaps).mean()
            self.optimizer.zero_grad()
            loss.backward()
            norm = clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm).item()
            if not (math.isfinite(loss.item()) and math.isfinite(norm)):
                raise AtomError(
                    f"training the reward model broke down in epoch {number + 1}: loss {loss.item():g}, gradient norm "
                    f"{norm:g}; lower reward_model.learning_rate ({self.config.learning_rate:g})"
                )
            self.optimizer.step()
            losses.append(loss.item())
            right += (chosen > rejected).tolist()
        told = {"epoch": number + 1, "loss": fmean(losses), "training_accuracy": fmean(right)} | self._held_out()
        if not self.rows or told["accuracy"] > max(row["accuracy"] for row in self.rows):
            self.best = self.model._weights()
        self.rows.append(told | {"learning_rate": rate, "seconds": time.monotonic() - self.began})

    def _read(self, batch: Sequence[_Compared], read: Callable[[list[str], list[tuple[int, ...]]], Tensor]) -> Tensor:
        """Numbers of all motions of some prompts, those of one prompt together."""
        texts = [prompt.text for prompt in batch for _ in prompt.motions]
        return read(texts, [motion for prompt in batch for motion in prompt.motions])

    def _held_out(self) -> Metrics:
        numbers = self._read(self.held, self.model.numbers)
        chosen, rejected, _ = _sides(self.held, numbers)
        by_prompt = numbers.split([len(prompt.motions) for prompt in self.held])
        correlations = [
            float(spearman(found.numpy(), np.array(prompt.scores)))
            for prompt, found in zip(self.held, by_prompt, strict=True)
            if None not in prompt.scores
        ]
        known = [value for value in correlations if math.isfinite(value)]
        accuracy = (chosen > rejected).float().mean().item()
        return {"accuracy": accuracy, "rank_correlation": fmean(known) if known else None}

    def write(self, folder: Path) -> None:
        """The model of the best epoch, and beside it what it was made from."""
        model = self.model
        model._take(self.best)
        numbers = self._read(self.trained, model.numbers)
        best = max(self.rows, key=lambda row: row["accuracy"])
        card = {
            "base_weights": self.base,
            "network": self.config.network,
            "mean": numbers.mean().item(),
            "deviation": max(numbers.std().item(), 1e-6),
            "settings": self.config.model_dump(),
            "seed": self.seed,
            "pairs": self.pairs,
            "pairs_hash": self.pairs_hash,
            "epoch": best["epoch"],
            "accuracy": best["accuracy"],
            "rank_correlation": best["rank_correlation"],
            "held_out_prompts": len(self.held),
        }
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / WEIGHTS, lambda path: save_file(self.best, path, metadata={"format": "pt"}))
        text = json.dumps(card, indent=2, sort_keys=True)
        write_atomically(folder / CARD, lambda path: path.write_text(text + "\n"))

    def save(self, path: Path) -> None:
        save_trainer_state(
            path,
            {
                "weights": self.model._weights(),
                "optimizer": self.optimizer.state_dict(),
                "rows": self.rows,
                "best": self.best,
            },
        )

    def restore(self, path: Path) -> None:
        state = load_trainer_state(path)
        self.model._take(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rows, self.best = state["rows"], state["best"]
        self.began -= self.rows[-1]["seconds"]


def _sides(batch: Sequence[_Compared], numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers (pairs,) of chosen and of rejected motions and the score gaps, of the numbers of all motions in turn."""
    chosen: list[int] = []
    rejected: list[int] = []
    gaps: list[float] = []
    first = 0
    for prompt in batch:
        chosen += [first + place for place in prompt.chosen]
        rejected += [first + place for place in prompt.rejected]
        gaps += prompt.gaps
        first += len(prompt.motions)
    return numbers[chosen], numbers[rejected], torch.tensor(gaps, device=numbers.device)


def _hash(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
