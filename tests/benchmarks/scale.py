"""The whole pipeline at the paper's size, and what a hundred times of it would take.

    python tests/benchmarks/scale.py [--part 1/100] [--part 1/10] [--part 1] [-o outputs/scale]

Each part of the paper's 5,300 prompts x 10 candidates is an `atom run` of its own on the built-in model, through every
stage but the paid judge and the clips. Its store stays in the output folder: what was cut off goes on from there, and a
part that is done is only told again. Meanwhile the memory of the run with all its children is looked at. Writes
scale.parquet, a row a part and stage, and scale.png.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import ceil, log
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from flows.sweep import DEFAULT_OVERRIDES
from storage import Manifest, Store

ROOT = Path(__file__).parents[2]
PROMPTS, TEST_PROMPTS, CANDIDATES = 5300, 360, 10
PARTS = (Fraction(1, 100), Fraction(1, 10), Fraction(1))
INTERVAL = 1.0  # seconds between two looks at the memory
WHOLE, REST = "whole run", "gates, report, Prefect"
SAMPLE = ["at", "passed", "bytes"]  # time since 1970, seconds since the sample before or the start, of all processes


def overrides(part: Fraction) -> list[str]:
    return [
        *DEFAULT_OVERRIDES,
        "rounds=1",
        "on_policy.steps=0",
        f"generation.candidates={CANDIDATES}",
        f"prompts.train_per_task={ceil(PROMPTS * part / 3)}",
        f"prompts.test_per_task={ceil(TEST_PROMPTS * part / 3)}",
    ]


def run(part: Fraction, folder: Path) -> None:
    """`atom run` to its end, if the store does not hold a completed one; samples of the memory go to `memory.csv`."""
    store = folder / "store"
    if any(record["state"] == "completed" for record in Store(str(store)).runs()):
        return
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", "from atom.cli import main; main()", "run", "--store", str(store)]
    command += [word for override in overrides(part) for word in ("--set", override)]
    environment = os.environ | {"PREFECT_HOME": str(folder / "prefect")}
    with (folder / "run.log").open("a") as told, (folder / "memory.csv").open("a", buffering=1) as samples:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=told, stderr=told)
        before = time.time()
        while process.poll() is None:
            time.sleep(INTERVAL)
            now = time.time()
            if memory := memory_of(process.pid):
                samples.write(f"{now:.1f},{now - before:.1f},{memory}\n")
            before = now
    if process.returncode:
        raise SystemExit(f"the run failed; {folder / 'run.log'} says why")


def memory_of(process: int) -> int:
    """Resident bytes of a process and of all that it started."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        threads = list(Path(f"/proc/{process}/task").iterdir())
        children = [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(map(memory_of, children))


def figures_of(part: Fraction, folder: Path) -> pd.DataFrame:
    """A row a stage of a completed run, one for what lies between the stages, and one for the whole.

    `seconds` are those in which at least one task of the stage was at work, `work` those of all its tasks together;
    `peak` and `mean` are the resident bytes of all processes meanwhile.
    """
    store, samples = Store(str(folder / "store")), samples_of(folder)
    record = next(record for record in store.runs() if record["state"] == "completed")
    rows, everything = [], []
    for stage in filter(lambda stage: stage["keys"], record["stages"]):
        manifests = [store.manifest(stage["stored"], key) for key in stage["keys"]]
        everything += manifests
        spans = spans_of(manifests)
        rows.append(
            {
                "stage": stage["name"],
                "seconds": covered(spans),
                "work": sum(made.seconds for made in manifests),
                "tasks": stage["shards"],
                "artifacts": len(manifests),
                "rows": stage["rows"],
                "bytes": sum(made.bytes for made in manifests),
                **memory_in(samples, spans),
            }
        )
    passed, spans = float(samples["passed"].sum()), spans_of(everything)
    rows.append(
        {
            "stage": REST,
            "seconds": max(0.0, passed - covered(spans)),
            "work": max(0.0, passed - covered(spans)),
            "tasks": 0,
            "artifacts": 0,
            "rows": 0,
            "bytes": 0,
        }
    )
    on_disk = sum(file.stat().st_size for file in (folder / "store").rglob("*") if file.is_file())
    rows.append(
        {
            "stage": WHOLE,
            "seconds": passed,
            "peak": samples["bytes"].max(),
            "mean": np.average(samples["bytes"], weights=samples["passed"]),
            "bytes": on_disk,
            **{name: sum(row[name] for row in rows) for name in ("work", "tasks", "artifacts", "rows")},
        }
    )
    return pd.DataFrame(rows).assign(part=float(part))


def samples_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "memory.csv", names=SAMPLE)


Spans = list[tuple[float, float]]


def spans_of(manifests: Iterable[Manifest]) -> Spans:
    """When each artifact was made, from and to, in seconds since 1970."""
    ends = [(datetime.fromisoformat(made.created_at).timestamp(), made.seconds) for made in manifests]
    return sorted((end - seconds, end) for end, seconds in ends)


def covered(spans: Spans) -> float:
    """Seconds that lie in at least one of the spans."""
    total, reached = 0.0, 0.0
    for start, end in spans:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def memory_in(samples: pd.DataFrame, spans: Spans) -> dict[str, float]:
    inside = samples[[any(start <= at <= end for start, end in spans) for at in samples["at"]]]
    return {"peak": inside["bytes"].max(), "mean": inside["bytes"].mean()}


def growth(table: pd.DataFrame, stage: str, figure: str = "seconds") -> float | None:
    """The power of the size with which a figure grows between the two largest parts: 1 is linear. None where there are
    no two parts or nothing was measured."""
    rows = table[table["stage"] == stage].sort_values("part")[["part", figure]].tail(2).to_numpy()
    if len(rows) < 2 or not (rows > 0).all():
        return None
    (small, before), (large, after) = rows
    return log(after / before) / log(large / small)


@dataclass(frozen=True)
class Forecast:
    """What a run of `times` the paper's size takes on so many machines like this one."""

    times: float
    machines: int
    hours: float
    hours_undivided: float
    gigabytes_on_disk: float
    gigabytes_of_memory: float


def forecast(table: pd.DataFrame, times: float, machines: int) -> Forecast:
    """Along the line through the two largest measured parts, since no stage has a reason to grow otherwise: where the
    power that `growth` finds is well above 1, the line is too kind.

    Stages of several tasks are divided among the machines. Those of one task, and what the flow's own process does
    between the stages, are not: no number of machines makes a run shorter than these. The memory is that of all
    processes of a run on one machine, which holds the flow's own.
    """
    measured = table[table["part"] == table["part"].max()].set_index("stage")
    hours = {stage: at(table, stage, "seconds", times) / 3600 for stage in measured.index if stage != WHOLE}
    undivided = sum(hours[stage] for stage in hours if measured.loc[stage, "tasks"] <= 1)
    whole = undivided + (sum(hours.values()) - undivided) / machines
    return Forecast(
        times, machines, whole, undivided, at(table, WHOLE, "bytes", times) / 1e9, at(table, WHOLE, "peak", times) / 1e9
    )


def at(table: pd.DataFrame, stage: str, figure: str, size: float) -> float:
    """A figure of a stage at another size than those measured."""
    rows = table[table["stage"] == stage].sort_values("part").tail(2)
    return float(np.polyval(np.polyfit(rows["part"], rows[figure], 1), size))


def draw(table: pd.DataFrame, folders: dict[Fraction, Path], path: Path) -> None:
    """Memory over the time of each part, and the time of each stage against the size."""
    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (memory, times) = pyplot.subplots(1, 2, figsize=(13, 4.6), layout="constrained")
    for part, folder in folders.items():
        samples = samples_of(folder)
        done = samples["passed"].cumsum()
        memory.plot(
            done / done.iloc[-1], samples["bytes"] / 2**30, label=f"{part} of the paper, {clock(done.iloc[-1])}"
        )
    memory.set(xlabel="share of the run's time", ylabel="resident memory of all processes, GiB", ylim=(0, None))
    for number, (stage, rows) in enumerate(table.groupby("stage", sort=False)):
        rows = rows.sort_values("part")
        whole = stage == WHOLE
        times.plot(
            rows["part"],
            rows["seconds"],
            "o-",
            label=stage,
            linewidth=2.5 if whole else 1.2,
            color="black" if whole else pyplot.colormaps["tab20"](number),
        )
    whole = table[table["stage"] == WHOLE].sort_values("part")
    times.plot(
        whole["part"],
        whole["seconds"].iloc[-1] * whole["part"] / whole["part"].iloc[-1],
        ":",
        color="#999999",
        label="in proportion",
    )
    times.set(xscale="log", yscale="log", xlabel="size, 1 is 5,300 prompts x 10 candidates", ylabel="seconds")
    for axis in (memory, times):
        axis.spines[["top", "right"]].set_visible(False)
    memory.legend(frameon=False)
    times.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=110)


def clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def told(table: pd.DataFrame) -> Iterator[Table | str]:
    """The figures of the largest part, how they grow, and what larger ones will take."""
    largest = table["part"].max()
    shown = Table(
        "stage",
        "seconds",
        "growth",
        "tasks",
        "rows",
        "MB",
        "peak, GB",
        title_justify="left",
        title=f"{Fraction(largest).limit_denominator(1000)} of the paper's size",
    )
    for row in table[table["part"] == largest].to_dict("records"):
        power = growth(table, row["stage"])
        shown.add_row(
            row["stage"],
            f"{row['seconds']:,.1f}",
            "" if power is None else f"size^{power:.2f}",
            f"{row['tasks']:,}",
            f"{row['rows']:,}",
            f"{row['bytes'] / 1e6:,.1f}",
            f"{row['peak'] / 1e9:.2f}" if row["peak"] > 0 else "",
        )
    yield shown
    for machines in (1, 10, 100) if table["part"].nunique() > 1 else ():
        found = forecast(table, 100, machines)
        yield (
            f"100 times the paper on {machines} such machine(s): {found.hours:,.1f} hours, of which "
            f"{found.hours_undivided:,.1f} can't be divided; {found.gigabytes_on_disk:,.0f} GB on disk, "
            f"{found.gigabytes_of_memory:,.1f} GB of memory"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", type=Fraction, action="append", help="of the paper's size; 1/100, 1/10 and 1 without")
    parser.add_argument("-o", "--output", type=Path, default=Path("outputs/scale"))
    options = parser.parse_args()
    console = Console()
    folders = {part: options.output / f"part-{part}".replace("/", "-of-") for part in sorted(options.part or PARTS)}
    tables = []
    for part, folder in folders.items():
        with console.status(f"{part} of the paper's size"):
            run(part, folder)
        tables.append(figures_of(part, folder))
        table = pd.concat(tables, ignore_index=True)
        table.to_parquet(options.output / "scale.parquet", index=False)
        draw(table, dict(list(folders.items())[: len(tables)]), options.output / "scale.png")
    for line in told(table):
        console.print(line, highlight=False)
    console.print(f"{options.output / 'scale.parquet'} and scale.png", highlight=False)


if __name__ == "__main__":
    main()
