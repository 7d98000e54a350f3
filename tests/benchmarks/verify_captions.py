"""A whole run on real captions in free words: external motions, judged over HTTP by the mock service.

    python tests/benchmarks/verify_captions.py [FILE.jsonl]

FILE holds captions with `text` and perhaps `readable`, an object a line (default:
../shared/data/captions/captions.jsonl; the script skips where that is absent). Three quarters of the captions get
three candidates each, of which pairs are made; the others get a motion by a base and a tuned model. The motions are
walks and waves of the corpus, and the service says that they show their captions, with errors. Four runs: by the vision
judge, the same again, with captions read by a language model, and by the judge `auto` in a store of its own.

It prints the figures and ends with status 1 if a claim is missed: no readable caption is set aside, all three tasks
have pairs, a report is written, the second run pays nothing, and `auto` asks less than the vision judge.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
import numpy as np
from prefect.testing.utilities import prefect_test_harness

from atom.config import load_config
from atom.corpus.composition import make_motion
from atom.events import TASKS, Event, composition_key, is_known
from atom.mock_service import MockServiceSettings, MotionIndex, run_in_thread
from atom.prompts.reading import read_text
from flows.pipeline import align
from storage import Store

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "data" / "captions" / "captions.jsonl"
CANDIDATES = 3
SETTINGS = [
    "judging.vision.model=atom-double",
    "judging.vision.frames.size=64",
    "service.requests_per_minute=60000",
    "preferences.min_gap=0.5",
    "rendering.preview_prompts=0",
    "evaluation.bootstrap=200",
    "on_policy.steps=0",
    "prompts.llm.model=reader-double",
]
missed: list[str] = []


def claim(holds: bool, text: str) -> None:
    print(f"{'ok  ' if holds else 'MISS'} {text}", flush=True)
    if not holds:
        missed.append(text)


def divide(texts: list[str]) -> tuple[list[str], list[str]]:
    """Three quarters of the captions for training and the others for test, no events in both."""
    by_events: dict[str, list[str]] = {}
    for text in texts:
        by_events.setdefault(composition_key(read_text(text).events), []).append(text)
    groups = list(by_events.values())
    return [t for i, group in enumerate(groups) if i % 4 for t in group], [t for group in groups[::4] for t in group]


def make_set(folder: Path, texts: list[str], samples: int) -> Path:
    """Writes a folder of external motions for some captions, no two of them equal."""
    folder.mkdir()
    rows = []
    for number, text in enumerate(texts):
        for sample in range(samples):
            rng = np.random.default_rng([len(folder.name), number, sample])
            events = (Event("walk_forward"), Event(("wave_left", "wave_right")[sample % 2]))
            np.save(folder / f"{number}-{sample}.npy", make_motion(events, rng).joints)
            rows.append({"text": text, "file": f"{number}-{sample}.npy", "sample": sample})
    (folder / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def read_prompt_rows(store: Store, record: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The prompts of a run and the figures of their stage."""
    (stage,) = (stage for stage in record["stages"] if stage["name"] == "prompts")
    rows = store.read(store.find("prompts", stage["key"])).to_pylist()
    return rows, store.manifest("prompts", stage["key"]).stats


def run_once(folder: Path, sets: list[str], overrides: list[str]) -> tuple[dict[str, Any], dict[str, Any], Store]:
    """Runs the pipeline in a store; gives its record, what the service counted in this run, and the store."""
    root = folder / "store"
    settings = MockServiceSettings(noise=0.3, count_noise=0.3)
    with run_in_thread(settings, MotionIndex(store=Store(str(root)))) as service:
        began = time.monotonic()
        config = load_config(overrides=[*SETTINGS, *sets, *overrides, f"service.base_url={service.address}"])
        record = align(config, str(root))
        counts = service.statistics() | {"seconds": time.monotonic() - began}
    return record, counts, Store(str(root))


def verify(path: Path, folder: Path) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    readable = {row["text"].strip(): row.get("readable", True) for row in rows}
    texts = list(readable)
    train, test = divide(texts)
    sets = [
        f"external.candidates={make_set(folder / 'candidates', train, CANDIDATES)}",
        f"external.base={make_set(folder / 'base', test, 1)}",
        f"external.tuned={make_set(folder / 'tuned', test, 1)}",
    ]
    vision = ["judging.judge=vision", "evaluation.judges=[vision]"]

    record, first, store = run_once(folder, sets, vision)
    prompts, _ = read_prompt_rows(store, record)
    read = {row["text"] for row in prompts}
    lost = [text for text, is_readable in readable.items() if is_readable and text not in read]
    is_open = [not all(is_known(event["action"]) for event in row["events"]) for row in prompts]
    print(
        f"{len(texts)} captions: {len(prompts)} prompts, {sum(is_open)} with an open action, "
        f"{len(texts) - len(prompts)} set aside, tasks {dict(Counter(row['task'] for row in prompts))}"
    )
    claim(not lost, f"no readable caption is set aside{f': {lost[:3]}' if lost else ''}")
    (pairs_stage,) = (stage for stage in record["stages"] if stage["name"] == "preferences")
    pairs = Counter(row["task"] for row in store.read(store.find("preferences", pairs_stage["key"])).to_pylist())
    claim(set(pairs) == set(TASKS), f"pairs of all tasks: {dict(pairs)}")
    claim((Path(store.root) / "runs" / record["run_id"] / "report.html").is_file(), "a report is written")
    print(f"first run: {first['answered']} answers paid, {first['tokens']:,} tokens, {first['seconds']:.0f} s")
    claim(first["repeated"] == 0 and first["answered"] > 0, "no answer is paid for twice")

    again, second, _ = run_once(folder, sets, vision)
    computed = sum(stage["shards"] - stage["reused"] for stage in again["stages"])
    claim(
        second["requests"] == second["answered"] == computed == 0,
        f"second run: {second['requests']} requests, {second['answered']} paid, {computed} shards computed, "
        f"{second['seconds']:.0f} s",
    )

    record, third, store = run_once(folder, sets, [*vision, "prompts.reader=llm"])
    by_model, stats = read_prompt_rows(store, record)
    print(
        f"read by a model with errors: {len(by_model)} prompts, {stats['read_offline']} of them read offline, "
        f"{stats['tokens']:,} tokens for reading, {third['answered']} answers paid in this run"
    )
    claim({row["text"] for row in by_model} == read, "the same captions become prompts with either reader")

    other = folder / "auto"
    other.mkdir()
    _, fourth, _ = run_once(other, sets, ["judging.judge=auto", "evaluation.judges=[auto]"])
    fraction = 1 - fourth["answered"] / max(first["answered"], 1)
    known = 1 - sum(is_open) / len(prompts)
    claim(
        fourth["answered"] < first["answered"],
        f"judge=auto: {fourth['answered']} answers paid, {fraction:.0%} fewer; {known:.0%} of the prompts have known "
        "actions only",
    )


def main(paths: list[str]) -> int:
    path = Path(paths[0]) if paths else DEFAULT
    if not path.is_file():
        print(f"skipped: {path} is not there")
        return 1 if paths else 0
    with (
        tempfile.TemporaryDirectory(prefix="atom-captions-") as folder,
        prefect_test_harness(server_startup_timeout=180),
    ):
        verify(path, Path(folder))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
