"""Score and pair the motions of another generator, and export the pairs with their joints.

    python examples/other_generator.py [FOLDER] [--motions SET] [--samples N]

SET is a folder of motions of yours: .npy files of joints (T, 22, 3) in metres at 20 fps, or of HumanML3D's features,
and an index.jsonl with a line {"text": ..., "file": ...} each. Without it a stand-in generates a few. FOLDER
(outputs/other_generator) gets the motions and the preferences, in the format of Hugging Face `datasets`.
"""

import argparse
from pathlib import Path

from atom.config import PreferenceConfig
from atom.external import derive_prompts, make_motion_folder, read_motion_set
from atom.generation import Generator
from atom.judging import KinematicJudge
from atom.preferences import build_pairs, export_preferences, score_motion
from atom.prompts import make_prompts

TEXTS = [
    "a person jumps twice, then waves with the left hand",
    "a person squats three times and claps",
    "someone walks forward, turns around and sits down",
    "a person kicks with the right leg twice",
]


class StandIn:
    """Stands for a model of yours: a name that tells its checkpoints apart, and one method."""

    name = "stand-in"

    def __init__(self):
        self.model = Generator.load()

    def motions(self, texts, seeds):
        """Generates joints (T, 22, 3) for each text and its seed."""
        return self.model.decode([sample.tokens for sample in self.model.sample(texts, seeds)])


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path, default=Path("outputs/other_generator"))
parser.add_argument("--motions", type=Path, help="folder of motions of yours")
parser.add_argument("--samples", type=int, default=8, help="motions of the stand-in for each text")
options = parser.parse_args()

if options.motions is None:
    options.motions = options.folder / "motions"
    make_motion_folder(StandIn(), make_prompts(TEXTS), options.motions, samples=options.samples)

motions = read_motion_set(options.motions)
prompts, unread = derive_prompts(motions)
by_id = {prompt.prompt_id: prompt for prompt in prompts}
judge = KinematicJudge()
joints, scored = {}, []
for entry in motions.entries:
    prompt, motion_id = by_id.get(entry.prompt_id), f"{entry.prompt_id}-{entry.sample}"
    if prompt is not None and judge.find_obstacle(prompt) is None:  # other judges see other actions
        joints[motion_id] = motions.joints(entry)
        scored.append(score_motion(judge, prompt, joints[motion_id], motion_id))
pairs = build_pairs(scored, PreferenceConfig())
print(f"{len(motions.entries)} motions, {len(scored)} scored, {len(unread)} texts without events, {len(pairs)} pairs")

for pair in sorted(pairs, key=lambda pair: -pair.margin)[:5]:
    print(f"{pair.chosen_score:.1f} over {pair.rejected_score:.1f}, {pair.degree}: {pair.text}")
rows = [pair.to_row(by_id[pair.prompt_id].events) for pair in pairs]
about = {"name": "other-generator", "license": "unknown", "generator": "stand-in"}
export_preferences(rows, options.folder / "preferences", "datasets", about=about, motions=joints)
print(f"preferences with joints: {options.folder / 'preferences'}")
