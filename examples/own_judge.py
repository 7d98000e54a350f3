"""Choose pairs by a judge of your own, tune on them, and compare base and tuned by several judges.

    python examples/own_judge.py [FOLDER] [--prompts N] [--steps N]

The judge here is the kinematic one, which also takes points off for sliding feet. FOLDER (outputs/own_judge) gets the
adapter and the gains. The default sizes are tiny; give --prompts 200 --steps 60 to see an effect.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from atom.config import GenerationConfig, PreferenceConfig, PromptConfig, TuningConfig
from atom.evaluation import compare_generators, tabulate_gains
from atom.generation import Generator
from atom.judging import KinematicJudge, LearnedJudge
from atom.motion import foot_skate
from atom.preferences import build_pairs, score_samples
from atom.prompts import write_prompts
from atom.tuning import TrainingPair, tune


class SteadyFeetJudge:
    """The kinematic judge, minus up to two points for feet that slide at 0.2 m/s or more while they stand."""

    def __init__(self):
        self.kinematic = KinematicJudge()

    def find_obstacle(self, prompt):
        """Why it can't judge motions of a prompt; None where it can."""
        return self.kinematic.find_obstacle(prompt)

    def judge(self, joints, prompt):
        """Scores joints (T, 22, 3) from 1 to 5."""
        judgement = self.kinematic.judge(joints, prompt)
        skate = float(np.nan_to_num(foot_skate(joints)))
        score = max(1.0, judgement.score - min(2.0, 10 * skate))
        return replace(judgement, score=score, rationale=f"{judgement.rationale} The feet slide at {skate:.2f} m/s.")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path, default=Path("outputs/own_judge"))
parser.add_argument("--prompts", type=int, default=6, help="training prompts of each task")
parser.add_argument("--steps", type=int, default=4, help="steps of the tuning")
options = parser.parse_args()

judge = SteadyFeetJudge()
generator, sampling = Generator.load(), GenerationConfig(candidates=4)
prompts = write_prompts(PromptConfig(train_per_task=options.prompts, test_per_task=4), seed=0)
train = [prompt for prompt in prompts if prompt.split == "train"]
test = [prompt for prompt in prompts if prompt.split == "test"]

candidates = score_samples(generator, judge, train, sampling)
best = max(candidates, key=lambda motion: motion.score)
print(f"{len(candidates)} candidates, the best scores {best.score:.2f}: {best.text}")

pairs = [TrainingPair.from_preference(pair) for pair in build_pairs(candidates, PreferenceConfig())]
curve = tune(generator, pairs, TuningConfig(max_steps=options.steps), seed=0, folder=options.folder / "adapter")
print(f"{len(pairs)} pairs, {len(curve)} step(s), margin {curve[-1]['margin']:.2f}")

tuned = Generator.load(adapter=options.folder / "adapter")
judges = {"steady feet": judge, "kinematic": judge.kinematic, "learned": LearnedJudge.load()}
gains = tabulate_gains(compare_generators(generator, tuned, test, judges, sampling))
gains.to_csv(options.folder / "gains.csv", index=False)
print(gains[gains["figure"].isin(["overall", "exact_match", "foot_skate"])].to_string(index=False))
