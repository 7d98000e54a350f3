"""Reproduces the figures that the project claims, from scratch, and fails where one is missed.

Run `make verify`. It makes the default run with three training seeds in a store of its own, measures the generator and
the corpus, prints a table and writes it, dated, to `outputs/`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from atom.config import PromptConfig
from atom.corpus.composition import make_motion
from atom.corpus.corpus_shards import draw_events
from atom.errors import AtomError
from atom.generation.generator import Generator
from atom.generation.generator_quality import (
    measure_clause_order,
    measure_prompt_quality,
    measure_reconstruction_quality,
)
from atom.judging.detection_quality import (
    add_jitter,
    change_pace,
    make_known_motions,
    measure_detection_quality,
)
from atom.judging.kinematic_judge import KinematicJudge
from atom.judging.learned_judge import LearnedJudge
from atom.motion.features import features_to_joints, joints_to_features
from atom.motion.physics import count_backward_knees, foot_skate
from atom.prompts.grammar import write_prompts
from storage import Store

OUTPUTS = Path(__file__).resolve().parents[2] / "outputs"
SHARED = Path(__file__).resolve().parents[3] / "shared"
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Finding:
    """One claim, what was measured, and whether it holds; None where nothing is claimed."""

    claim: str
    measured: str
    holds: bool | None = None

    @property
    def word(self) -> str:
        return {True: "yes", False: "NO", None: ""}[self.holds]


def corpus(clips: int = 500) -> Iterator[Finding]:
    rng = np.random.default_rng(17)
    skates, speeds, knees = [], [], 0
    while len(skates) < clips:
        try:
            motion = make_motion(draw_events(rng), rng)
        except AtomError:
            continue
        toes = np.linalg.norm(np.diff(motion.joints[:, [10, 11]], axis=0), axis=-1) * 20
        speeds.append(toes[motion.contacts[1:] & motion.contacts[:-1]].mean())
        skates.append(foot_skate(motion.joints))
        knees += int(count_backward_knees(motion.joints) > 0)
    said = f"{np.nanmean(skates):.4f} m/s by foot_skate, {np.mean(speeds):.4f} where the corpus plants a foot"
    holds = max(float(np.nanmean(skates)), float(np.mean(speeds))) < 0.03
    yield Finding("corpus: feet in contact slide under 0.03 m/s", said, holds)
    yield Finding("corpus: no knee bends the wrong way", f"{knees} of {clips} clips", knees == 0)


def sample_clip() -> Iterator[Finding]:
    folder = SHARED / "data" / "humanml3d"
    if not folder.is_dir():
        return
    joints = features_to_joints(np.load(folder / "new_joint_vecs_012314.npy"))
    error = np.abs(joints - np.load(folder / "new_joints_012314.npy")[: len(joints)]).max()
    yield Finding("HumanML3D's sample clip is recovered to 1e-5 m", f"{error:.1e} m", bool(error < 1e-5))


def generator() -> Iterator[Finding]:
    built_in = Generator.load()
    kept = measure_reconstruction_quality(built_in, clips=500, seed=2)
    said = f"{kept['exact_match']:.3f} of 500 clips, joints {100 * kept['joint_error']:.1f} cm off"
    yield Finding("VQ-VAE: the judge sees the same events after a round trip in 0.9", said, kept["exact_match"] > 0.9)
    order = measure_clause_order(built_in, pairs=300, seed=2)
    said = f"{order['preferred']:.3f} of 300; next tokens {order['distance']:.3f} apart"
    yield Finding("swap test: the own caption is likelier than the swapped one in 0.9", said, order["preferred"] > 0.9)
    told = measure_prompt_quality(built_in, prompts=600, seed=2)
    within = 0.2 <= told["exact_match"] <= 0.6
    yield Finding("base exact match on unseen compositions is 0.2 to 0.6", f"{told['exact_match']:.3f} of 600", within)
    texts = [prompt.text for prompt in write_prompts(PromptConfig(train_per_task=1, test_per_task=100), 2)[3:]]
    sampled = [built_in.sample(texts, range(len(texts)), batch_size=size) for size in (64, 7, 1)]
    differ = sum(first != other for batch in sampled[1:] for first, other in zip(sampled[0], batch, strict=True))
    said = f"{differ} of {2 * len(texts)} differ"
    yield Finding("the same seed gives the same motion in batches of 64, 7 and 1", said, differ <= 0.01 * len(texts))


def judges() -> Iterator[Finding]:
    built_in, learned, kinematic = Generator.load(), LearnedJudge.load(), KinematicJudge()
    clean = make_known_motions(500, "test", seed=2)
    decoded = built_in.decode(built_in.encode([joints_to_features(joints) for _, joints in clean]))
    through_codes = [(events, joints) for (events, _), joints in zip(clean, decoded, strict=True)]
    worse = {
        "as they are": clean,
        "1 cm of jitter": add_jitter(clean, np.random.default_rng(2)),
        "10 % slower": change_pace(clean, 1.1),
        "10 % faster": change_pace(clean, 0.9),
        "through the codes": through_codes,
    }
    for name, motions in worse.items():
        found = measure_detection_quality(kinematic, motions)
        said = f"F1 {found['event_f1']:.3f}, order {found['order']:.3f}, count {found['count']:.3f} of 500 clips"
        holds = found["event_f1"] >= 0.97 and found["order"] >= 0.97 and found["count"] >= 0.95
        yield Finding(f"kinematic judge, corpus {name}: F1 and order 0.97, count 0.95", said, holds)
        found = measure_detection_quality(learned, motions)
        said = f"F1 {found['event_f1']:.3f}, order {found['order']:.3f}, count {found['count']:.3f} of 500 clips"
        yield Finding(f"learned judge, corpus {name}: F1 0.90", said, found["event_f1"] >= 0.9)


def real_motion() -> Iterator[Finding]:
    """The bounds that the suite holds on real captures."""
    if SHARED.is_dir():
        file = Path(__file__).parents[1] / "judging" / "test_judging_real_motion.py"
        run = subprocess.run([sys.executable, "-m", "pytest", str(file)], capture_output=True, text=True)
        closing = run.stdout.strip().splitlines()[-1]
        claim = "kinematic judge, real captures: AUC 0.92, left and right 0.95, reversed walks 0.9, counts within 1"
        yield Finding(claim, closing, run.returncode == 0)


def alignment(store: Path) -> Iterator[Finding]:
    """Runs of the default config; only what the training seed changes is computed again for each."""
    atom = str(Path(sys.executable).with_name("atom"))
    for seed in SEEDS:
        settings = [f"training_seed={seed}", f"name=verify-{seed}", "evaluation.baselines=[low_temperature, sft, dpo]"]
        command = [atom, "run", "--store", str(store), *(part for setting in settings for part in ("--set", setting))]
        subprocess.run(command, check=True)
        record = Store(str(store)).run("latest")
        if seed == SEEDS[0]:
            seconds = record["seconds"]
            dpo = sum(
                stage["seconds"] for stage in record["stages"] if "dpo" in stage["name"]
            )  # no part of the default
            yield Finding("the default run takes under 8 minutes", f"{seconds - dpo:.0f} s", seconds - dpo < 480)
        for judge, figures in record["evaluation"].items():
            yield from (replace(found, claim=f"seed {seed}, {judge}: {found.claim}") for found in _gains(figures))
        yield from _metrics(seed, record["metrics"])
        (found,) = record["agreement"]
        kappa = f"{found['kappa']:.3f} [{found['kappa_low']:.3f}, {found['kappa_high']:.3f}] on {found['n']} motions"
        yield Finding(f"seed {seed}: kappa of the two judges on exact match", kappa)


def _gains(figures: dict[str, Any]) -> Iterator[Finding]:
    for name in ("overall", "integrity", "temporal", "frequency"):
        gain = figures[name]
        said = f"{gain['base']:.3f} -> {gain['tuned']:.3f}, {_gain(gain)} over {gain['n']} prompts"
        yield Finding(f"the gain in {name} lies above 0", said, gain["gain_low"] > 0)
    exact, length, skate, jerk, spread = (
        figures[name] for name in ("exact_match", "length_ratio", "foot_skate", "jerk", "diversity")
    )
    said = f"{exact['base']:.3f} -> {exact['tuned']:.3f}, {_gain(exact)}"
    yield Finding("exact match rises by 0.15", said, exact["gain"] >= 0.15)
    said = f"{length['base']:.3f} -> {length['tuned']:.3f}"
    yield Finding("length stays within 10 % of the truth", said, abs(length["tuned"] - 1) <= 0.1)
    for name, figure in (("foot skate", skate), ("jerk", jerk)):
        said = f"{figure['base']:.4g} -> {figure['tuned']:.4g}"
        yield Finding(f"{name} gets at most 10 % worse", said, figure["tuned"] <= 1.1 * figure["base"])
    said = f"{spread['base']:.3f} -> {spread['tuned']:.3f} m"
    yield Finding("diversity keeps 85 % of the base's", said, spread["tuned"] >= 0.85 * spread["base"])
    for name, baseline in figures["baselines"].items():
        ahead = baseline["tuned_over_baseline"]
        said = f"score {baseline['overall']['tuned']:.3f}, exact {baseline['exact_match']['tuned']:.3f}; {_gain(ahead)}"
        yield Finding(f"tuned is ahead of {name}", said, ahead["gain_low"] > 0 if name == "sft" else None)


def _metrics(seed: int, rows: list[dict[str, Any]]) -> Iterator[Finding]:
    """By the built-in evaluator, which had no part in tuning."""
    means = {(row["arm"], row["metric"]): row["mean"] for row in rows}
    for metric, falls in (("fid", True), ("r_precision_1", False), ("matching", True)):
        base, tuned, real = (means[arm, metric] for arm in ("base", "tuned", "real"))
        said = f"{base:.3f} -> {tuned:.3f} (real motions {real:.3f})"
        yield Finding(f"seed {seed}: {metric} gets better", said, tuned < base if falls else tuned > base)


def _gain(figure: dict[str, Any]) -> str:
    return f"{figure['gain']:+.3f} [{figure['gain_low']:+.3f}, {figure['gain_high']:+.3f}]"


def upper_mark(folder: Path) -> Iterator[Finding]:
    """The base as it would be if no caption were wrong; trained once, which takes half an hour."""
    if not (folder / "training.json").exists():
        atom = str(Path(sys.executable).with_name("atom"))
        settings = ["--work", f"{folder}-work", "--set", "imperfect_captions=false"]
        subprocess.run([atom, "pretrain", str(folder), *settings], check=True)
    clean = Generator.load(str(folder))
    for temperature in (1.0, 0.7):
        found = measure_prompt_quality(clean, prompts=600, temperature=temperature, seed=2)
        said = f"score {found['score']:.3f}, exact match {found['exact_match']:.3f} of 600"
        yield Finding(f"upper mark: trained on clean captions, temperature {temperature}", said)


def main() -> int:
    torch.set_num_threads(1)
    OUTPUTS.mkdir(exist_ok=True)
    store = OUTPUTS / "verify-store"
    shutil.rmtree(store, ignore_errors=True)
    findings = []
    parts = [corpus(), sample_clip(), generator(), judges(), real_motion()]
    parts += [alignment(store), upper_mark(OUTPUTS / "clean-captions")]
    for part in parts:
        for finding in part:
            findings.append(finding)
            print(f"{finding.word:<3} {finding.claim}: {finding.measured}", flush=True)
    lines = [f"# What `make verify` measured on {date.today()}", "", "| claim | measured | holds |", "|---|---|---|"]
    lines += [f"| {f.claim} | {f.measured} | {f.word} |" for f in findings]
    report = OUTPUTS / f"verify-{date.today()}.md"
    report.write_text("\n".join(lines) + "\n")
    print(f"table: {report}")
    return 1 if any(finding.holds is False for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
