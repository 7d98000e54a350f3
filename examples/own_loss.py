"""Tune with a loss of your own beside a built-in one, and compare both with the base.

    python examples/own_loss.py [FOLDER] [--prompts N] [--steps N]

A loss is any function of the log-probabilities of pairs under policy and reference. FOLDER (outputs/own_loss) gets an
adapter for each loss. The default sizes are tiny; give --prompts 200 --steps 60 to see an effect.
"""

import argparse
from pathlib import Path

import torch
from torch.nn.functional import logsigmoid

from atom.config import GenerationConfig, PreferenceConfig, PromptConfig, TuningConfig
from atom.evaluation import compare_generators
from atom.generation import Generator
from atom.judging import KinematicJudge
from atom.preferences import build_pairs, score_samples
from atom.prompts import write_prompts
from atom.tuning import TrainingPair, tune

BETA, PENALTY = 0.1, 5.0


def dpo_positive(chosen, rejected, reference_chosen, reference_rejected):
    """DPO-Positive: DPO with a penalty where a chosen motion becomes less likely than under the reference.

    Source: Pal et al. 2024, "Smaug" (arXiv 2402.13228). All tensors are log-probabilities (pairs,); so is the loss.
    """
    margin = (chosen - reference_chosen) - (rejected - reference_rejected)
    return -logsigmoid(BETA * (margin - PENALTY * torch.relu(reference_chosen - chosen)))


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path, default=Path("outputs/own_loss"))
parser.add_argument("--prompts", type=int, default=6, help="training prompts of each task")
parser.add_argument("--steps", type=int, default=4, help="steps of each tuning")
options = parser.parse_args()

judge, generator, sampling = KinematicJudge(), Generator.load(), GenerationConfig(candidates=4)
prompts = write_prompts(PromptConfig(train_per_task=options.prompts, test_per_task=4), seed=0)
train = [prompt for prompt in prompts if prompt.split == "train"]
test = [prompt for prompt in prompts if prompt.split == "test"]
preferences = build_pairs(score_samples(generator, judge, train, sampling), PreferenceConfig())
pairs = [TrainingPair.from_preference(preference) for preference in preferences]

# The likelihood of the chosen motions is part of every loss here, unless its weight is 0.
settings = {"max_steps": options.steps, "sft_weight": 0.0}
for name, config, loss in (
    ("dpo", TuningConfig(loss_type="dpo", **settings), None),
    ("dpo_positive", TuningConfig(**settings), dpo_positive),
):
    curve = tune(generator, pairs, config, seed=0, folder=options.folder / name, loss=loss)
    tuned = Generator.load(adapter=options.folder / name)
    overall = compare_generators(generator, tuned, test, {"kinematic": judge}, sampling)["kinematic"]["overall"]
    first, last = curve[0], curve[-1]
    likelihoods = f"log-probability of the chosen {first['chosen_logp']:.1f} to {last['chosen_logp']:.1f}"
    scores = f"score {overall['base']:.2f} to {overall['tuned']:.2f}"
    print(f"{name}: margin {first['margin']:.2f} to {last['margin']:.2f}, {likelihoods}, {scores}")
