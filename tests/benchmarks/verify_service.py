"""What is claimed about asking a service at scale, against the test double in a process of its own.

    python tests/benchmarks/verify_service.py [throughput faults kills budget key]

Each part prints its figures, and the script ends with status 1 if a claim is missed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from atom.chat.errors import BudgetSpent
from atom.chat.journal import Journal
from atom.chat.live import LiveService
from atom.chat.running import gather_settled, with_service
from atom.config import ServiceConfig, VisionConfig
from atom.judging.calibration import calibration_clips
from atom.judging.vision.calibrating import show
from atom.judging.vision.judge import judge_motion
from storage import Store

MODEL = "atom-double"
CLIPS, REQUESTS = 400, 2000
missed: list[str] = []


def claim(holds: bool, text: str) -> None:
    print(f"  {'holds' if holds else 'MISSED'}: {text}", flush=True)
    if not holds:
        missed.append(text)


@contextmanager
def double(store: Path, **options):
    """The test double as a person starts it; gives its address, without /v1."""
    command = [sys.executable, "-c", "from atom.cli import main; main()", "serve-judge", "--store", str(store)]
    command += ["--port", "8766"] + [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        found = re.search(r"http://[^/\s]+", process.stdout.readline())
        assert found, "the double did not start"
        yield found[0]
    finally:
        process.kill()
        process.wait()


def statistics(address: str) -> dict:
    return json.load(urllib.request.urlopen(f"{address}/statistics"))


def subjects(store: Path):
    """Clips of the corpus with their pictures, which the double finds in the store."""
    clips = calibration_clips(CLIPS // 4, 0)
    settings = VisionConfig(model=MODEL)
    return show(clips, settings.sight, Store(str(store)), lambda: None), settings


def peak_memory() -> float:
    """MiB that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def score(service, shown, settings, votes, on_done=lambda: None):
    async def one(clip_id, vote):
        opinion = await judge_motion(service, shown[clip_id], settings, MODEL, vote)
        on_done()
        return clip_id, opinion

    return await gather_settled([one(clip_id, vote) for vote in range(votes) for clip_id in shown])


def throughput(folder: Path, shown, settings) -> None:
    print(f"throughput: {REQUESTS} requests, 0.4 s latency, 64 in flight")
    with double(folder / "store", latency=0.4) as address:
        service = ServiceConfig(base_url=f"{address}/v1", concurrency=64, requests_per_minute=60_000)
        began = time.monotonic()
        opinions = with_service(service, None, folder / "throughput.sqlite", "t",
                                lambda s: score(s, shown, settings, REQUESTS // CLIPS))  # fmt: skip
        took = time.monotonic() - began
        seen = statistics(address)
    ideal = REQUESTS / 64 * 0.4
    print(f"  {took:.2f} s, ideal {ideal:.2f} s, {REQUESTS / took:.0f} a second, most in flight {seen['most_in_flight']}")
    claim(all(opinion.judgement for _, opinion in opinions), "every clip is scored")
    claim(seen["answered"] == REQUESTS and seen["repeated"] == 0, "each request was answered once")
    claim(ideal / took >= 0.9, f"{ideal / took:.0%} of the ideal throughput, at least 90 %")


def main() -> None:
    parts = sys.argv[1:] or ["throughput"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shown, settings = subjects(folder / "store")
        size = sum(len(p.data) for s in shown.values() for p in s.pictures) / len(shown) / 1024
        print(f"{len(shown)} clips, {size:.0f} KB of pictures each")
        for part in parts:
            globals()[part](folder, shown, settings)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
