"""Tuning by several processes on one machine: how they are started, and what each of them runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from atom.config import RunConfig
from atom.errors import AtomError
from atom.generation.generator import Generator
from atom.tuning.pairs import PairFile
from atom.tuning.team import Team
from atom.tuning.trainer import tune
from atom.tuning.training import Progress, Row
from atom.tuning.validation import validation_of

PAIRS = "pairs.arrow"  # in the working folder


def tune_together(
    config: RunConfig, folder: Path, work: Path, init_adapter: Path | None, progress: Progress | None = None
) -> list[Row]:
    """`tune` with the pairs of the file `PAIRS` in `work`, by `config.resources.processes` processes.

    They find each other by a file and talk over this machine's loopback (CPUs) or NCCL (GPUs): nothing listens to other
    machines. Raises AtomError as `tune` does, or when a process dies; the others are then ended.
    """
    size = config.resources.processes
    job = {
        "config": config.model_dump(mode="json"),
        "folder": str(folder),
        "work": str(work),
        "init_adapter": str(init_adapter) if init_adapter else None,
    }
    with tempfile.TemporaryDirectory() as meeting:
        environment = os.environ | {
            "WORLD_SIZE": str(size),
            "LOCAL_WORLD_SIZE": str(size),
            "GLOO_SOCKET_IFNAME": "lo",
            "OMP_NUM_THREADS": str(config.resources.threads),
        }
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "atom.tuning.together", str(Path(meeting) / "processes")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if number == 0 else subprocess.DEVNULL,
                text=True,
                env=environment | {"RANK": str(number), "LOCAL_RANK": str(number)},
            )
            for number in range(size)
        ]
        try:
            for process in processes:
                assert process.stdin is not None
                with process.stdin as stdin:
                    json.dump(job, stdin)
            return _listen(processes, progress)
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _listen(processes: list[subprocess.Popen[str]], progress: Progress | None) -> list[Row]:
    """What the first process tells, a line of JSON each time: a step, the whole curve, or what is wrong."""
    assert processes[0].stdout is not None
    for line in processes[0].stdout:
        told = json.loads(line)
        if "error" in told:
            raise AtomError(told["error"])
        if "rows" in told:
            return told["rows"]
        if progress:
            progress(told["step"], told["steps"], told["row"])
    status = processes[0].wait()
    raise AtomError(f"a process of the tuning ended with status {status}; what it said stands above")


def _main() -> None:
    """One of the processes: the job comes by stdin, the place to meet by argument, the number by environment."""
    job = json.load(sys.stdin)
    config = RunConfig.model_validate(job["config"])
    torch.set_num_threads(config.resources.threads)
    device = config.resources.device
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    torch.distributed.init_process_group(
        "nccl" if device.startswith("cuda") else "gloo",
        init_method=f"file://{sys.argv[1]}",
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
    )
    team = Team.launched(device)

    def tell(message: dict[str, object]) -> None:
        if team.first:
            print(json.dumps(message), flush=True)

    work = Path(job["work"])
    try:
        generator = Generator.load(config.generation.checkpoint, None, device, config.generation.template)
        rows = tune(
            generator,
            PairFile(work / PAIRS),
            config.tuning,
            config.training_seed,
            Path(job["folder"]),
            lambda step, steps, row: tell({"step": step, "steps": steps, "row": row}),
            work,
            init_adapter=Path(job["init_adapter"]) if job["init_adapter"] else None,
            validation=validation_of(config),
            team=team,
        )
        tell({"rows": rows})
    except AtomError as error:
        tell({"error": str(error)})
        raise SystemExit(1) from None


if __name__ == "__main__":
    _main()
