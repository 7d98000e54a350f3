"""Tuning by several processes on one machine: starts them, and holds what each of them runs."""

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
from atom.tuning.adapter_trainer import Metrics, StepCallback
from atom.tuning.pairs import PairFile
from atom.tuning.preference_trainer import tune
from atom.tuning.process_group import ProcessGroup
from atom.tuning.validation import build_validation

PAIRS_FILE = "pairs.arrow"  # in the working folder


def tune_distributed(
    config: RunConfig, folder: Path, work: Path, init_adapter: Path | None, progress: StepCallback | None = None
) -> list[Metrics]:
    """Runs `tune` in `config.resources.processes` processes on the pairs of the file `PAIRS_FILE` in `work`.

    The processes find each other through a file and communicate over the loopback interface (CPUs) or NCCL (GPUs), so
    no port is open to other machines.

    Args:
        config: the config of the run.
        folder: where the adapter is saved.
        work: holds the pairs and the trainer state.
        init_adapter: an adapter to start from.
        progress: called after each step, in this process.

    Returns:
        The training curve, one row a step.

    Raises:
        AtomError: where `tune` raises it, or when a process dies; the other processes are then killed.
    """
    world_size = config.resources.processes
    job = {
        "config": config.model_dump(mode="json"),
        "folder": str(folder),
        "work": str(work),
        "init_adapter": str(init_adapter) if init_adapter else None,
    }
    with tempfile.TemporaryDirectory() as rendezvous:
        environment = os.environ | {
            "WORLD_SIZE": str(world_size),
            "LOCAL_WORLD_SIZE": str(world_size),
            # Otherwise gloo binds to the address of the host's name, which other machines may reach.
            "GLOO_SOCKET_IFNAME": "lo",
            "OMP_NUM_THREADS": str(config.resources.threads),
        }
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "atom.tuning.distributed", str(Path(rendezvous) / "processes")],
                stdin=subprocess.PIPE,
                # Only the main process reports; the pipe of another one would fill up and block it.
                stdout=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
                text=True,
                env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            )
            for rank in range(world_size)
        ]
        try:
            for process in processes:
                assert process.stdin is not None
                with process.stdin as stdin:
                    json.dump(job, stdin)
            return _read_messages(processes, progress)
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _read_messages(processes: list[subprocess.Popen[str]], progress: StepCallback | None) -> list[Metrics]:
    """Reads the main process's messages, each a line of JSON: the metrics of a step, the whole curve, or an error."""
    assert processes[0].stdout is not None
    for line in processes[0].stdout:
        message = json.loads(line)
        if "error" in message:
            raise AtomError(message["error"])
        if "rows" in message:
            return message["rows"]
        if progress:
            progress(message["step"], message["steps"], message["row"])
    status = processes[0].wait()
    raise AtomError(f"a tuning process ended with status {status}; its output is above")


def _main() -> None:
    """Runs one of the processes.

    It reads the job from stdin, the rendezvous file from the arguments and its rank from the environment.
    """
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
    process_group = ProcessGroup.from_launcher(device)

    def send(message: dict[str, object]) -> None:
        if process_group.is_main:
            print(json.dumps(message), flush=True)

    work = Path(job["work"])
    try:
        generator = Generator.load(config.generation.checkpoint, None, device, config.generation.template)
        rows = tune(
            generator,
            PairFile(work / PAIRS_FILE),
            config.tuning,
            config.training_seed,
            Path(job["folder"]),
            lambda step, steps, row: send({"step": step, "steps": steps, "row": row}),
            work,
            init_adapter=Path(job["init_adapter"]) if job["init_adapter"] else None,
            validation=build_validation(config),
            process_group=process_group,
        )
        send({"rows": rows})
    except AtomError as error:
        send({"error": str(error)})
        raise SystemExit(1) from None


if __name__ == "__main__":
    _main()
