"""How long a command takes to begin: the list of all commands, and one motion from a text to its clip.

What was found (`python -X importtime`): for a line of each command `--help` imported pandas, pyarrow, pydantic and all
that the commands need; they are now imported when they are called. Of `generate` nearly all is imports: torch, and what
transformers imports with T5 (accelerate, torch._dynamo, torch.distributed). Loading, sampling and decoding take a tenth
of a second, drawing and encoding three.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from measuring import Figure, in_turn, main

ROOT = Path(__file__).parents[2]
TEXT = "a person jumps twice, then waves with the left hand"
MOST_SECONDS = {"help": 0.4, "generate": 4.0}


def python(code: str, *arguments: str) -> Callable[[], object]:
    """A new process that runs the code with the arguments, from its start to its end."""
    command = [sys.executable, "-c", code, *arguments]
    return lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def atom(*arguments: str) -> Callable[[], object]:
    return python("from atom.cli import main; main()", *arguments)


def measure(device: str) -> Iterator[Figure]:
    ours, bare = in_turn(atom("--help"), python("import typer, rich"))
    yield Figure(
        "atom --help",
        "runs/s",
        1 / ours,
        wanted=1 / MOST_SECONDS["help"],
        limit=1 / bare,
        limit_by='python -c "import typer, rich"',
    )
    with tempfile.TemporaryDirectory(prefix="atom-bench-") as folder:
        generate = atom("generate", TEXT, "-o", f"{folder}/clip.mp4", "--seed", "4", "--device", device)
        imports = python("import torch, numba; from transformers import T5ForConditionalGeneration")
        ours, bare = in_turn(generate, imports, repeats=3)
    yield Figure(
        "atom generate, a text to its clip",
        "runs/s",
        1 / ours,
        wanted=1 / MOST_SECONDS["generate"],
        limit=1 / bare,
        limit_by="importing torch, numba and transformers' T5",
        device=device,
    )


if __name__ == "__main__":
    main(measure, __doc__)
