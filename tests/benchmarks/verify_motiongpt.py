"""A MotionGPT of full size through the whole pipeline on a CPU, as somebody who owns the checkpoint runs it.

    python tests/benchmarks/verify_motiongpt.py [--work FOLDER]

The weights, the word vectors and Guo's evaluator are invented but have the published layout and size (about 2 GB on the
disk), and so has the dataset, whose clips are of the corpus. Prints time and peak memory of each command; ends with
status 1 if a claim is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import yaml
from full_size_motiongpt import make_full_size

from atom.tuning.adapter import WEIGHTS_FILE
from storage import Store

sys.path.append(str(Path(__file__).parents[1]))
from humanml3d_files import write_dataset, write_evaluator

MOST_MEMORY = 8e9  # bytes
missed: list[str] = []


def claim(holds: bool, text: str) -> None:
    print(f"  {'holds' if holds else 'MISSED'}: {text}", flush=True)
    if not holds:
        missed.append(text)


def atom(*arguments: object, home: Path) -> str:
    """Runs an `atom` command as a person would, prints how long it took and the most memory it held with all of its
    child processes, and gives what it printed."""
    command = [sys.executable, "-c", "from atom.cli import main; main()", *map(str, arguments)]
    environment = os.environ | {"PREFECT_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    peak = [0]

    def watch() -> None:
        while process.poll() is None:
            peak[0] = max(peak[0], held(process.pid))
            time.sleep(0.1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    said, _ = process.communicate()
    watcher.join()
    name = " ".join(map(str, arguments[:2]))
    print(f"atom {name}: {time.monotonic() - began:.0f} s, peak memory {peak[0] / 1e9:.2f} GB", flush=True)
    if process.returncode:
        print(said)
        raise SystemExit(f"atom {name} ended with status {process.returncode}")
    claim(peak[0] < MOST_MEMORY, f"atom {name} stays below {MOST_MEMORY / 1e9:.0f} GB")
    return said


def held(pid: int) -> int:
    """Resident bytes of a process and all below it."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it just ended
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(held(int(child)) for child in children)


def main(work: Path) -> None:
    files = make_full_size(work / "published")
    write_dataset(work / "HumanML3D")
    write_evaluator(work / "t2m")
    base = work / "motiongpt"

    def run(*arguments: object) -> str:
        return atom(*arguments, home=work / "prefect")

    said = run("checkpoint", "inspect", files.checkpoint, "--json")
    claim(json.loads(said)["faults"] == [], "inspect finds no fault in the published layout")
    run("checkpoint", "convert", files.checkpoint, base, "--t5", files.t5, "--mean", files.mean, "--std", files.std)
    run("data", "check", work / "HumanML3D", "--json")

    config = {
        "name": "full size",
        "rounds": 1,
        "prompts_per_shard": 8,
        "prompts": {"train_per_task": 4, "test_per_task": 3},
        "generation": {
            "checkpoint": str(base),
            "template": "motiongpt",
            "candidates": 4,
            "evaluation_samples": 1,
            "max_new_tokens": 128,
            "vocabulary": "all",
        },
        "rendering": {"motions": "all"},
        "preferences": {"min_gap": 0.01, "length_tolerance": None},
        "tuning": {
            "average_log_prob": True,
            "sft_weight": 0.0,
            "r": 8,
            "lora_alpha": 16,
            "target_modules": "q,v",
            "batch_size": 4,
            "max_steps": 2,
        },
        "on_policy": {"steps": 0},
        "validation": {"prompts_per_task": 1},
        "evaluation": {
            "baselines": [],
            "bootstrap": 100,
            "num_examples": 2,
            "metrics": {
                "dataset": str(work / "HumanML3D"),
                "evaluator": str(work / "t2m/finest.tar"),
                "words": str(work / "t2m"),
                "diversity_pairs": 30,
            },
        },
    }
    (work / "run.yaml").write_text(yaml.safe_dump(config))
    store = work / "store"
    print(run("run", "--config", work / "run.yaml", "--store", store, "--check"))
    run("run", "--config", work / "run.yaml", "--store", store)
    record = Store(str(store)).run("latest")
    stages = {stage["name"]: stage for stage in record["stages"]}
    for name in ("motions", "clips", "scores", "preferences", "test scores base kinematic", "evaluation", "metrics"):
        claim(stages[name]["rows"] > 0, f"{name}: {stages[name]['rows']} rows in {stages[name]['seconds']:.0f} s")
    claim(stages["adapter"]["rows"] == 2, f"two steps of tuning in {stages['adapter']['seconds']:.0f} s")
    claim({row["evaluator"] for row in record["metrics"]} == {"guo"}, "the metrics are taken by Guo's evaluator")
    adapter = store / "adapter" / stages["adapter"]["key"]
    run("checkpoint", "export", adapter, work / "policy.pt", "--base", base)
    run("checkpoint", "convert", work / "policy.pt", work / "again", "--base", base, "--alpha", "16")
    written = [(folder / WEIGHTS_FILE).read_bytes() for folder in (adapter, work / "again")]
    claim(written[0] == written[1], "the adapter comes back from AToM's form as it was")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="an empty folder to keep; else a temporary one")
    arguments = parser.parse_args()
    if arguments.work:
        arguments.work.mkdir(parents=True)
        main(arguments.work)
    else:
        with tempfile.TemporaryDirectory(prefix="atom-full-size-") as folder:
            main(Path(folder))
    sys.exit(f"{len(missed)} claims missed" if missed else 0)
