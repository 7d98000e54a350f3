"""One adapter a task, and their combinations, beside one adapter that is tuned on the pairs of all tasks.

    python tests/benchmarks/combining.py [--store FOLDER]

Tunes the built-in model four times on pairs of the default size, one round, without the judge in the loop; what the
store has already is not made again. All are measured on the same test prompts and seeds. Prints a Markdown table of the
gains in score over the base by the kinematic judge, which made the pairs, task by task and over all, and over all by
the learned judge, with 95 % intervals of a bootstrap over prompts. About ten minutes on one core.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from atom.config import Combination, RunConfig, load_config
from atom.evaluation.comparison import BASE, TUNED, compare
from atom.events import TASKS
from atom.external.motion_generator import derive_sample_seed
from atom.generation.generator import Generator
from atom.judging.judges import make_judge
from atom.markdown import markdown_table
from atom.tuning.adapter_combination import combine_adapters
from flows.stages.tables import read_prompts, to_judged_prompt
from storage import ArtifactRef, Store

SETTINGS = ("rounds=1", "on_policy.steps=0", "rendering.preview_prompts=0")
COMBINED: tuple[tuple[Combination, float, float | None], ...] = (  # how, weight of each, density
    ("cat", 1.0, None),
    ("cat", 0.6, None),
    ("svd", 1.0, None),
    ("linear", 1.0, None),
    ("linear", 1 / 3, None),
    ("ties_svd", 1.0, 0.5),
)
JUDGES = ("kinematic", "learned")


def tuned_on(store: Store, tasks: Sequence[str]) -> tuple[ArtifactRef, ArtifactRef]:
    """The run's prompts and the adapter that was tuned on the pairs of these tasks; all pairs without any."""
    chosen = [f"tuning.tasks=[{','.join(tasks)}]"] if tasks else []
    settings = [word for setting in (*SETTINGS, *chosen) for word in ("--set", setting)]
    command = "from atom.cli import main; main()"
    subprocess.run(
        [sys.executable, "-c", command, "run", "--store", store.root, "--until", "tuning", *settings],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    made = {stage["name"]: stage["keys"][0] for stage in store.run("latest")["stages"] if stage["keys"]}
    found = store.find("prompts", made["prompts"]), store.find("adapter", made["adapter"])
    assert found[0] is not None and found[1] is not None
    return found


def judged(
    arm: str, adapter: Path | None, prompts: list[dict[str, Any]], config: RunConfig
) -> Iterator[dict[str, Any]]:
    """A row for each motion of the test prompts and each judge."""
    generator = Generator.load(adapter=str(adapter) if adapter else None)
    asked = [(prompt, sample) for prompt in prompts for sample in range(config.generation.evaluation_samples)]
    seeds = [derive_sample_seed(config.seed, prompt["prompt_id"], sample) for prompt, sample in asked]
    made = generator.sample([prompt["text"] for prompt, _ in asked], seeds, **config.generation.sampling)
    motions = generator.decode([motion.tokens for motion in made])
    for judge in JUDGES:
        judging = make_judge(judge, config)
        for (prompt, sample), joints in zip(asked, motions, strict=True):
            found = judging.judge(joints, to_judged_prompt(prompt)) if len(joints) else None
            yield {
                "prompt_id": prompt["prompt_id"],
                "task": prompt["task"],
                "arm": arm,
                "sample": sample,
                "judge": judge,
                "score": found.score if found else 1.0,
                "exact": found.exact if found else False,
            }


def measured(store: Store, work: Path) -> Iterator[tuple[str, str, str, str, str, str, str]]:
    """Rows of the table."""
    adapters: dict[str, Path] = {}
    for task in (*TASKS, None):
        prompts, adapter = tuned_on(store, [task] if task else [])
        with store.folder(adapter) as folder:
            adapters[f"{task} alone" if task else TUNED] = folder
    for how, weight, density in COMBINED:
        name = f"{how}, weights {weight:.2g}" + (f", density {density:g}" if density else "")
        parts = [adapters[f"{task} alone"] for task in TASKS]
        adapters[name] = work / name
        combine_adapters(parts, work / name, weights=[weight] * len(parts), how=how, density=density)
    config = load_config(overrides=SETTINGS)
    asked = read_prompts(store, prompts, "test")
    rows = [row for arm, folder in {BASE: None, **adapters}.items() for row in judged(arm, folder, asked, config)]
    found = compare(rows)
    for arm in adapters:
        by_judge = [found[judge] if arm == TUNED else found[judge]["baselines"][arm] for judge in JUDGES]
        kinematic, learned = by_judge
        gains = [_gain(kinematic[name]) for name in (*TASKS, "overall")] + [_gain(learned["overall"])]
        yield ("all tasks together" if arm == TUNED else arm, *gains, f"{kinematic['exact_match']['tuned']:.2f}")


def _gain(figure: dict[str, Any]) -> str:
    return f"{figure['gain']:+.3f} ({figure['gain_low']:+.3f} to {figure['gain_high']:+.3f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", help="folder to make and keep everything in; by default a new one that goes again")
    with tempfile.TemporaryDirectory() as temporary:
        store = parser.parse_args().store or f"{temporary}/store"
        head = ("adapter", *TASKS, "overall", "overall, learned judge", "exact match")
        print(markdown_table(head, list(measured(Store(store), Path(temporary)))))
