"""What is claimed about asking a service at scale, against the test double in a process of its own.

    python tests/benchmarks/verify_service.py [throughput faults kills budget noise]

Each part prints its figures, and the script ends with status 1 if a claim is missed.
"""

from __future__ import annotations

import json
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from atom.config import ServiceConfig, VisionConfig
from atom.judging.calibration import make_calibration_clips
from atom.judging.vision.vision_calibration import draw_clips
from atom.judging.vision.vision_judge import judge_motion
from atom.llm_client.errors import BudgetSpent
from atom.llm_client.journal import Journal
from atom.llm_client.runtime import gather_settled, run_with_client
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
    command = [sys.executable, "-c", "from atom.cli import main; main()", "serve-mock", "--store", str(store)]
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
    clips = make_calibration_clips(CLIPS // 4, 0)
    settings = VisionConfig(model=MODEL)
    return draw_clips(clips, settings.frames, Store(str(store)), lambda: None), settings


def resident_memory() -> float:
    """MiB that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def score(service, shown, settings, votes, on_done=lambda: None, vote=0):
    async def one(clip_id, vote):
        opinion = await judge_motion(service, shown[clip_id], settings, MODEL, vote)
        on_done()
        return clip_id, opinion

    return await gather_settled([one(clip_id, vote + number) for number in range(votes) for clip_id in shown])


def throughput(folder: Path, shown, settings) -> None:
    print(f"throughput: {REQUESTS} requests, 0.4 s latency, 64 in flight")
    with double(folder / "store", latency=0.4) as address:
        service = ServiceConfig(base_url=f"{address}/v1", concurrency=64, requests_per_minute=60_000)
        first = {clip_id: shown[clip_id] for clip_id in [next(iter(shown))]}
        # The double reads its clips when it is first asked; a service has its model loaded.
        run_with_client(
            service, None, folder / "throughput.sqlite", "t", lambda s: score(s, first, settings, 1, vote=99)
        )
        began = time.monotonic()
        opinions = run_with_client(
            service, None, folder / "throughput.sqlite", "t", lambda s: score(s, shown, settings, REQUESTS // CLIPS)
        )
        took = time.monotonic() - began
        seen = statistics(address)
    ideal = REQUESTS / 64 * 0.4
    print(
        f"  {took:.2f} s, ideal {ideal:.2f} s, {REQUESTS / took:.0f} a second, most in flight {seen['most_in_flight']}"
    )
    claim(all(opinion.judgement for _, opinion in opinions), "every clip is scored")
    claim(seen["answered"] == REQUESTS + 1 and seen["repeated"] == 0, "each request was answered once")
    claim(ideal / took >= 0.9, f"{ideal / took:.0%} of the ideal throughput, at least 90 %")


def faults(folder: Path, shown, settings) -> None:
    rate = 1500
    print(f"faults: {REQUESTS} requests at {rate} a minute; 10 % 429, 5 % 500, 2 % stalls, 2 % invalid answers")
    memory: list[float] = []
    with double(
        folder / "store",
        latency=0.4,
        rate_limit=0.1,
        retry_after=1,
        server_error=0.05,
        stall=0.02,
        stall_seconds=8,
        invalid_json=0.02,
    ) as address:
        service = ServiceConfig(base_url=f"{address}/v1", concurrency=64, requests_per_minute=rate, timeout=4)
        opinions = run_with_client(
            service,
            None,
            folder / "faults.sqlite",
            "f",
            lambda s: score(s, shown, settings, REQUESTS // CLIPS, lambda: memory.append(resident_memory())),
        )
        seen = statistics(address)
    scored = [opinion for _, opinion in opinions if opinion.judgement]
    errors = sorted({opinion.error for _, opinion in opinions if not opinion.judgement})
    print(f"  {len(scored)} scored, {len(opinions) - len(scored)} quarantined: {'; '.join(errors)[:300]}")
    print(
        f"  at the service: {seen['requests']} requests, {seen['answered']} answered, refused {seen['refused']}, "
        f"spoiled {seen['spoiled']}, {seen['repeated_answers']} answered again"
    )
    print(
        f"  most in a minute {seen['most_in_a_minute']}, in a second {seen['most_in_a_second']}, "
        f"memory {memory[len(memory) // 10]:.0f} MiB after a tenth, {memory[-1]:.0f} MiB at the end"
    )
    claim(len(opinions) == REQUESTS and all(o.judgement or o.error for _, o in opinions), "all scored or quarantined")
    claim(seen["most_in_a_minute"] <= rate, f"at most {rate} requests in any minute")
    claim(seen["repeated_answers"] <= seen["spoiled"].get("stall", 0), "only stalled answers were paid for twice")
    claim(memory[-1] - memory[len(memory) // 10] < 60, "memory is flat")


def kills(folder: Path, shown, settings) -> None:
    print(f"kills: kill -9 ten times while {len(shown)} clips are scored")
    rng, lost = random.Random(0), 0
    with double(folder / "store", latency=0.4) as address:
        command = [sys.executable, __file__, "child", str(folder), address]
        for _ in range(10):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            process.stdout.readline()
            time.sleep(rng.uniform(0.1, 1.0))
            lost += statistics(address)["in_flight"]
            process.send_signal(signal.SIGKILL)
            process.wait()
            time.sleep(0.5)
        rest = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1]
        seen = statistics(address)
    print(
        f"  {seen['answered']} answered for {len(shown)} clips, {lost} in flight at the kills; the last run has {rest}"
    )
    claim(int(rest) == len(shown), "every clip is scored")
    claim(seen["answered"] - len(shown) <= lost, "no more answers beyond the clips than were in flight at the kills")


def child() -> None:
    folder, address = Path(sys.argv[2]), sys.argv[3]
    shown, settings = subjects(folder / "store")
    print("asking", flush=True)
    service = ServiceConfig(base_url=f"{address}/v1", concurrency=8, requests_per_minute=60_000)
    opinions = run_with_client(service, None, folder / "kills.sqlite", "k", lambda s: score(s, shown, settings, 1))
    print(sum(opinion.judgement is not None for _, opinion in opinions))


def budget(folder: Path, shown, settings) -> None:
    print("budget: 64 in flight, $0.20, then raised")
    journal = folder / "budget.sqlite"
    with double(folder / "store", latency=0.4) as address:
        service = ServiceConfig(
            base_url=f"{address}/v1", concurrency=64, requests_per_minute=60_000, budget_dollars=0.2
        )
        try:
            run_with_client(service, None, journal, "b", lambda s: score(s, shown, settings, 1))
            stopped = "it did not stop"
        except BudgetSpent as error:
            stopped = str(error)
        spent, dearest = Journal(journal).get_spending("b"), Journal(journal).max_spending(MODEL, "EventsAnswer")
        seen = statistics(address)
        paid = (seen["prompt_tokens"] + 4 * seen["completion_tokens"]) / 1e6
        print(
            f"  {stopped}\n  the service counts ${paid:.5f} for {seen['answered']} answers; the dearest cost "
            f"${dearest.cost:.5f}"
        )
        claim(abs(paid - spent.cost) < 1e-9, "the journal's sum is the service's")
        claim(0.2 - dearest.cost <= paid <= 0.2, "it stops below the limit by less than one request's cost")
        raised = service.model_copy(update={"budget_dollars": 10.0})
        opinions = run_with_client(raised, None, journal, "b", lambda s: score(s, shown, settings, 1))
        seen = statistics(address)
    claim(all(opinion.judgement for _, opinion in opinions), "after it is raised every clip is scored")
    claim(seen["answered"] == len(shown) and not seen["repeated"], "and nothing is paid for twice")


def noise(folder: Path, shown, settings) -> None:
    print("noise: calibration of a double that sees 10 % of the actions and 15 % of the counts wrongly")
    with double(folder / "store", noise=0.1, count_noise=0.15) as address:
        subprocess.run(
            [
                sys.executable,
                "-c",
                "from atom.cli import main; main()",
                "judge",
                "calibrate",
                "-o",
                (folder / "found"),
                "--prompts",
                "99",
                "--form",
                "sheet",
                "--form",
                "frames",
                "--store",
                folder / "store",
                "--set",
                f"service.base_url={address}/v1",
                "--set",
                f"judging.vision.model={MODEL}",
                "--set",
                "service.requests_per_minute=60000",
            ],
            check=True,
        )
    for name, result in json.loads(((folder / "found") / "calibration.json").read_text())["judges"].items():
        found = result["overall"]
        for figure, truth in (("missed", 0.1), ("invented", 0.1), ("miscounted", 0.15)):
            low, high = found[figure]["interval"]
            claim(
                low <= truth <= high,
                f"{name}: {figure} {found[figure]['value']:.3f} [{low:.3f}, {high:.3f}] holds {truth}",
            )


PARTS = {"throughput": throughput, "faults": faults, "kills": kills, "budget": budget, "noise": noise}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shown, settings = subjects(folder / "store")
        size = sum(len(p.data) for s in shown.values() for p in s.pictures) / len(shown) / 1024
        print(f"{len(shown)} clips, {size:.0f} KB of pictures each")
        for part in sys.argv[1:] or PARTS:
            PARTS[part](folder, shown, settings)
    if missed:
        sys.exit(f"{len(missed)} claims are missed")


if __name__ == "__main__":
    child() if sys.argv[1:2] == ["child"] else main()
