"""A reward model: a network that learns from preferences what a judge likes.

It is for judges that are too slow or expensive to score every step of on-policy tuning.

It is a copy of the generator's own T5, so that it starts with what the checkpoint knows of words and motion tokens, and
has a linear head on the mean hidden state of the motion. Its loss is `atom.tuning.losses.bradley_terry`. A step takes
all pairs of a prompt and reads each of their motions once: pairs that share motions overfit when they are shuffled,
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
from atom.tuning.adapter_trainer import Metrics, StepCallback, compute_learning_rate
from atom.tuning.batches import pad_right
from atom.tuning.losses import bradley_terry
from atom.tuning.rewards import RolloutPrompt
from atom.tuning.trainer_state import load_trainer_state, save_trainer_state

WEIGHTS, CARD = "reward_model.safetensors", "reward_model.json"
FILES = (WEIGHTS, CARD)

_SCORING_BATCH_SIZE = 128  # motions
_GAPS: dict[Degree, float] = {degree: least for least, degree in DEGREES}  # the smallest gap of each degree


@dataclass(frozen=True)
class RewardPair:
    """A prompt, the codes of the better and of the worse motion, and their scores (1 to 5) and degree where known."""

    text: str
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    chosen_score: float | None = None
    rejected_score: float | None = None
    degree: Degree | None = None

    @property
    def gap(self) -> float:
        """The score gap in points: from the scores, else the smallest gap of the degree.

        It is 0 where a comparison overruled the scores or nothing is known.
        """
        if self.chosen_score is not None and self.rejected_score is not None:
            return max(self.chosen_score - self.rejected_score, 0.0)
        return _GAPS[self.degree] if self.degree else 0.0


class RewardModel(nn.Module):
    """Scores motions for texts with one number each, higher for what the judge prefers.

    Attributes:
        network: "whole" is the T5 as it is, whose encoder reads the text and whose decoder reads the motion; "encoder"
            is its encoder alone, which reads the text followed by the motion.
        identity: sha256 of the weights, empty for an untrained model.
        mean: of the scores of the training motions.
        deviation: standard deviation of the same scores.
    """

    def __init__(self, generator: Generator, network: RewardNetwork) -> None:
        """Copies the generator's T5 and adds a head of zeros.

        Args:
            generator: a base model without an adapter.
            network: which parts of the T5 to use.

        Raises:
            AtomError: the generator has an adapter.
        """
        super().__init__()
        if isinstance(generator.language_model, PeftModel):
            raise AtomError("the generator has an adapter; a reward model starts from the base, load it without one")
        self.network, self.identity = network, ""
        self.mean, self.deviation = 0.0, 1.0
        self._generator = generator
        # The attribute names `reader` and `head` are part of the keys in the safetensors file.
        if network == "encoder":
            self.reader = copy.deepcopy(generator.language_model.get_encoder())
        else:
            self.reader = copy.deepcopy(generator.language_model)
            # The output layer is not used: without it the file is smaller.
            self.reader.lm_head = nn.Identity()
        self.head = nn.Linear(self.reader.config.d_model, 1, device=generator.device)
        # At zero all motions start with the same reward, and no draw of random numbers decides the result.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.eval()  # no dropout, as in all of this package

    @classmethod
    def load(cls, folder: Path, generator: Generator) -> RewardModel:
        """Loads a trained reward model onto the generator's device.

        Args:
            folder: written by `train_reward_model`.
            generator: the base that it was trained on.

        Returns:
            The reward model, without gradients.

        Raises:
            AtomError: it was trained on another base, or its files are missing or damaged.
        """
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
        model._load_weights(state)
        model.mean, model.deviation = mean, deviation
        model.identity = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        return model.requires_grad_(False)

    def forward(self, texts: Sequence[str], motions: Sequence[Sequence[int]]) -> Tensor:
        """Scores motions.

        Args:
            texts: the text of each motion.
            motions: N motions as codes.

        Returns:
            (N,) scores of any size.
        """
        vocabulary, tokenizer = self._generator.motions, self._generator.tokenizer
        answers = [vocabulary.answer(codes, tokenizer.eos_token_id) for codes in motions]
        # Motions of one text share its prompt, which is encoded once.
        prompt_of = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        prompt_ids, prompt_mask = self._generator.encode_prompts(list(prompt_of))
        if self.network == "encoder":
            unpadded = [ids[mask].tolist() for ids, mask in zip(prompt_ids, prompt_mask.bool(), strict=True)]
            prompts = [unpadded[prompt_of[text]] for text in texts]
            rows = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
            prompt_lengths = [len(prompt) for prompt in prompts]
            input_ids, attention_mask = self._pad(rows)
            states = self.reader(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            after_prompt = torch.arange(input_ids.shape[1]) >= torch.tensor(prompt_lengths)[:, None]
            motion_mask = attention_mask * after_prompt.to(attention_mask)
        else:
            answer_ids, motion_mask = self._pad(answers)
            prompt_index = torch.tensor([prompt_of[text] for text in texts], device=answer_ids.device)
            encoded = self.reader.get_encoder()(input_ids=prompt_ids, attention_mask=prompt_mask).last_hidden_state
            states = self.reader.get_decoder()(
                input_ids=answer_ids,
                encoder_hidden_states=encoded[prompt_index],
                encoder_attention_mask=prompt_mask[prompt_index],
                use_cache=False,
            ).last_hidden_state
        # The mean over the tokens of the motion: a sum would grow with its length.
        weights = motion_mask / motion_mask.sum(1, keepdim=True)
        return self.head((states * weights[:, :, None]).sum(1))[:, 0]

    @torch.no_grad()
    def score(self, texts: Sequence[str], motions: Sequence[Sequence[int]]) -> Tensor:
        """Scores motions without gradients, in batches of similar length.

        Args:
            texts: the text of each motion.
            motions: N motions as codes.

        Returns:
            (N,) scores, on the CPU.
        """
        # Batches of motions of similar length need less padding.
        order = sorted(range(len(motions)), key=lambda i: len(motions[i]))
        scores = torch.empty(len(motions))
        for start in range(0, len(order), _SCORING_BATCH_SIZE):
            indices = order[start : start + _SCORING_BATCH_SIZE]
            scores[indices] = self([texts[i] for i in indices], [motions[i] for i in indices]).float().cpu()
        return scores

    def compute_rewards(self, prompts: Sequence[RolloutPrompt], motions: Sequence[Sequence[int]]) -> list[float]:
        """Rewards from 0 to 1, as a `RewardFunction`.

        They are the logistic function of the standardised score, so that the training motions have a reward of about
        0.5.

        Args:
            prompts: the prompt of each motion.
            motions: codes, at least one for each motion.

        Returns:
            One reward for each motion.
        """
        scores = self.score([prompt.text for prompt in prompts], motions)
        # A Bradley-Terry model leaves the zero of its rewards open: mean and deviation bring them into one range.
        return torch.sigmoid((scores - self.mean) / self.deviation).tolist()

    def _pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Token ids (N, L) and their attention mask (N, L)."""
        mask = pad_right([[1] * len(row) for row in rows], 0)
        ids = pad_right(rows, self._generator.tokenizer.pad_token_id)
        return ids.to(self._generator.device), mask.to(self._generator.device)

    def _load_weights(self, state: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(state[name])

    def _copy_weights(self) -> dict[str, Tensor]:
        """A copy on the CPU. `named_parameters` lists tied matrices only once."""
        return {name: value.detach().cpu().clone() for name, value in self.named_parameters()}


def train_reward_model(
    generator: Generator,
    pairs: Sequence[RewardPair],
    config: RewardModelConfig,
    seed: int,
    folder: Path,
    progress: StepCallback | None = None,
    work: Path | None = None,
) -> list[Metrics]:
    """Trains a reward model and saves the weights of the epoch with the best accuracy on held-out prompts.

    An interrupted training resumes from the state in `work` and ends with the same weights as an uninterrupted one (on
    CPU with the same number of threads, bit for bit).

    Args:
        generator: the base model, without an adapter.
        pairs: the preferences.
        config: network, loss and optimizer.
        seed: of the held-out prompts and the order of the others.
        folder: where the reward model is saved.
        progress: called after each epoch with (epoch, epochs, metrics).
        work: where the state is saved after each epoch; None saves none.

    Returns:
        One row an epoch: the mean `loss`; `accuracy`, the share of held-out pairs in the right order;
        `training_accuracy`, the same of the training pairs at the time they were trained on; `rank_correlation`,
        Spearman's correlation with the judge's scores among the motions of a held-out prompt, averaged over prompts
        (None where no scores are known).

    Raises:
        AtomError: the pairs are of fewer than two prompts, or the loss is not finite.
    """
    trainer = _RewardModelTrainer(generator, pairs, config, seed)
    state_file = work / f"reward-model-{trainer.fingerprint}.pt" if work else None
    if state_file is not None and state_file.exists():
        trainer.restore(state_file)
    while len(trainer.rows) < config.num_train_epochs:
        trainer.train_epoch()
        if state_file is not None:
            trainer.save(state_file)
        if progress:
            progress(len(trainer.rows), config.num_train_epochs, trainer.rows[-1])
    trainer.write(folder)
    if state_file is not None:
        state_file.unlink(missing_ok=True)
    return trainer.rows


class _PromptPairs:
    """The pairs of one prompt, with each of its motions once. `chosen` and `rejected` are indices into `motions`."""

    def __init__(self, text: str, pairs: Sequence[RewardPair]) -> None:
        scores: dict[tuple[int, ...], float | None] = {}
        for pair in pairs:
            scores |= {pair.chosen: pair.chosen_score, pair.rejected: pair.rejected_score}
        self.text, self.motions, self.scores = text, list(scores), list(scores.values())
        index = {motion: number for number, motion in enumerate(scores)}
        self.chosen = [index[pair.chosen] for pair in pairs]
        self.rejected = [index[pair.rejected] for pair in pairs]
        self.gaps = [pair.gap for pair in pairs]


class _RewardModelTrainer:
    """Trains epoch by epoch. All random draws of an epoch depend on the seed and the number of the epoch alone."""

    def __init__(self, generator: Generator, pairs: Sequence[RewardPair], config: RewardModelConfig, seed: int) -> None:
        by_text: dict[str, list[RewardPair]] = defaultdict(list)
        for pair in pairs:
            by_text[pair.text].append(pair)
        if len(by_text) < 2:
            raise AtomError(
                f"a reward model needs pairs of two prompts or more, to train on one and hold out another; there are "
                f"{len(by_text)}: raise prompts.train_per_task or lower preferences.min_gap"
            )
        # Whole prompts are held out: pairs of one prompt share motions.
        prompts = [_PromptPairs(text, by_text[text]) for text in sorted(by_text)]
        order = np.random.default_rng([seed, 50]).permutation(len(prompts)).tolist()
        count = min(max(round(config.held_out * len(prompts)), 1), len(prompts) - 1)
        self.held_out, self.training = ([prompts[i] for i in part] for part in (order[:count], order[count:]))
        self.base, self.pairs, self.config, self.seed = generator.weights_hash, len(pairs), config, seed
        self.pairs_hash = _hash([asdict(pair) for pair in pairs])
        self.fingerprint = _hash([self.base, generator.template, self.pairs_hash, config.model_dump(), seed])
        self.model = RewardModel(generator, config.network).requires_grad_(True)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=config.learning_rate, weight_decay=0.0)
        self.rows: list[Metrics] = []
        self.best: dict[str, Tensor] = {}
        self.start_time = time.monotonic()

    def train_epoch(self) -> None:
        """Trains on all prompts that are not held out, then evaluates on the others."""
        number, size = len(self.rows), self.config.prompts
        order = np.random.default_rng([self.seed, 51, number]).permutation(len(self.training)).tolist()
        losses: list[float] = []
        is_correct: list[bool] = []
        steps_per_epoch = math.ceil(len(order) / size)
        for step in range(steps_per_epoch):
            batch = [self.training[i] for i in order[step * size : (step + 1) * size]]
            rate = compute_learning_rate(
                number * steps_per_epoch + step,
                self.config.num_train_epochs * steps_per_epoch,
                self.config.learning_rate,
                self.config.warmup_steps,
            )
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            chosen, rejected, gaps = _split_sides(batch, self._score_motions(batch, self.model))
            loss = bradley_terry(chosen, rejected, self.config.margin * gaps).mean()
            self.optimizer.zero_grad()
            loss.backward()
            norm = clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm).item()
            if not (math.isfinite(loss.item()) and math.isfinite(norm)):
                raise AtomError(
                    f"training the reward model failed in epoch {number + 1}: loss {loss.item():g}, gradient norm "
                    f"{norm:g}; lower reward_model.learning_rate ({self.config.learning_rate:g})"
                )
            self.optimizer.step()
            losses.append(loss.item())
            is_correct += (chosen > rejected).tolist()
        metrics = {
            "epoch": number + 1,
            "loss": fmean(losses),
            "training_accuracy": fmean(is_correct),
        } | self._evaluate()
        if not self.rows or metrics["accuracy"] > max(row["accuracy"] for row in self.rows):
            self.best = self.model._copy_weights()
        self.rows.append(metrics | {"learning_rate": rate, "seconds": time.monotonic() - self.start_time})

    def _score_motions(
        self, prompts: Sequence[_PromptPairs], score: Callable[[list[str], list[tuple[int, ...]]], Tensor]
    ) -> Tensor:
        """Scores of all motions of some prompts, in the order of the prompts."""
        texts = [prompt.text for prompt in prompts for _ in prompt.motions]
        return score(texts, [motion for prompt in prompts for motion in prompt.motions])

    def _evaluate(self) -> Metrics:
        scores = self._score_motions(self.held_out, self.model.score)
        chosen, rejected, _ = _split_sides(self.held_out, scores)
        by_prompt = scores.split([len(prompt.motions) for prompt in self.held_out])
        correlations = [
            float(spearman(predicted.numpy(), np.array(prompt.scores)))
            for prompt, predicted in zip(self.held_out, by_prompt, strict=True)
            if None not in prompt.scores
        ]
        finite = [value for value in correlations if math.isfinite(value)]
        accuracy = (chosen > rejected).float().mean().item()
        return {"accuracy": accuracy, "rank_correlation": fmean(finite) if finite else None}

    def write(self, folder: Path) -> None:
        """Writes the weights of the best epoch and the card, which says what they were made from."""
        model = self.model
        model._load_weights(self.best)
        scores = self._score_motions(self.training, model.score)
        best = max(self.rows, key=lambda row: row["accuracy"])
        card = {
            "base_weights": self.base,
            "network": self.config.network,
            "mean": scores.mean().item(),
            "deviation": max(scores.std().item(), 1e-6),
            "settings": self.config.model_dump(),
            "seed": self.seed,
            "pairs": self.pairs,
            "pairs_hash": self.pairs_hash,
            "epoch": best["epoch"],
            "accuracy": best["accuracy"],
            "rank_correlation": best["rank_correlation"],
            "held_out_prompts": len(self.held_out),
        }
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / WEIGHTS, lambda path: save_file(self.best, path, metadata={"format": "pt"}))
        text = json.dumps(card, indent=2, sort_keys=True)
        write_atomically(folder / CARD, lambda path: path.write_text(text + "\n"))

    def save(self, path: Path) -> None:
        save_trainer_state(
            path,
            {
                "weights": self.model._copy_weights(),
                "optimizer": self.optimizer.state_dict(),
                "rows": self.rows,
                "best": self.best,
            },
        )

    def restore(self, path: Path) -> None:
        state = load_trainer_state(path)
        self.model._load_weights(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rows, self.best = state["rows"], state["best"]
        self.start_time -= self.rows[-1]["seconds"]


def _split_sides(prompts: Sequence[_PromptPairs], scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Splits the scores of all motions of the prompts.

    Gives the scores (pairs,) of the chosen and of the rejected motions, and the score gaps (pairs,) of the judge.
    """
    chosen: list[int] = []
    rejected: list[int] = []
    gaps: list[float] = []
    offset = 0
    for prompt in prompts:
        chosen += [offset + index for index in prompt.chosen]
        rejected += [offset + index for index in prompt.rejected]
        gaps += prompt.gaps
        offset += len(prompt.motions)
    return scores[chosen], scores[rejected], torch.tensor(gaps, device=scores.device)


def _hash(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
