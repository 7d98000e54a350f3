"""Align the built-in model, print the gains, and draw base and tuned side by side.

    python examples/align_and_compare.py [FOLDER] [section.field=value ...]

FOLDER (outputs/align_and_compare) gets the store, the report and base_and_tuned.mp4. The sizes below are tiny: they
show how it works and prove nothing. Overrides replace them; `atom run` takes the defaults, which are a real run.
"""

import sys
from pathlib import Path

import atom
from atom.generation import Generator
from atom.rendering import write_grid

TINY = ["prompts.train_per_task=8", "prompts.test_per_task=6", "generation.candidates=4", "rounds=1"]
TINY += ["tuning.max_steps=8", "on_policy.steps=0", "validation.prompts_per_task=0", "evaluation.baselines=[]"]
TINY += ["evaluation.metrics=null", "evaluation.num_examples=2", "rendering.preview_prompts=0"]
TEXT = "a person jumps twice, then waves with the left hand"

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/align_and_compare")
run = atom.align([*TINY, *sys.argv[2:]], store=folder / "store")
print(run.gains.to_string(index=False, float_format="{:.2f}".format))
print("report:", run.report)

panes = []
for name, adapter in (("base", None), ("tuned", run.adapter)):
    generator = Generator.load(adapter=adapter)
    (sample,) = generator.sample([TEXT], seeds=[3])
    (joints,) = generator.decode([sample.tokens])
    panes.append((name, joints))
write_grid(folder / "base_and_tuned.mp4", panes, size=256, title=TEXT)
