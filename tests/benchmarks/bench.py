"""One table of all hot paths: `python tests/benchmarks/bench.py [--device cuda] [topic ...]`.

Each topic is a `bench_<topic>.py` beside this file and runs in a process of its own, one after the other. The table is
printed and drawn, and added to the Parquet file of earlier runs; what has become slower since the last one is told.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from measuring import Figure, tell
from rich.console import Console

HERE = Path(__file__).parent
TOPICS = [path.stem.removeprefix("bench_") for path in sorted(HERE.glob("bench_*.py"))]


def figures_of(topic: str, device: str) -> list[Figure]:
    command = [sys.executable, str(HERE / f"bench_{topic}.py"), "--json", "--device", device]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if told.returncode:
        raise SystemExit(f"bench_{topic}.py failed; what it said stands above")
    return [Figure(**json.loads(line)) for line in told.stdout.splitlines()]


def draw(table: pd.DataFrame, path: Path) -> None:
    """How many times as fast as the plain way, and what was wanted."""
    matplotlib.use("agg")
    from matplotlib import pyplot

    shown = table[table["ratio"].notna()][::-1]
    places = range(len(shown))
    figure, axis = pyplot.subplots(figsize=(12, 0.34 * len(shown) + 1.2), layout="constrained")
    axis.barh(places, shown["ratio"], color="#2a6f97")
    axis.plot(shown["wanted"], places, "|", color="#e07a1f", markersize=15, markeredgewidth=3, label="wanted")
    axis.axvline(1, color="#555555", linewidth=1)
    axis.set(xscale="log", xlim=(0.5, None), xlabel="times as fast as the plain way")
    axis.set_yticks(places, [f"{row.path} | {row.plain_way}" for row in shown.itertuples()], fontsize=9)
    axis.set_xticks([0.5, 1, 2, 5, 10, 20, 50], ["0.5", "1", "2", "5", "10", "20", "50"], minor=False)
    for place, ratio, wanted in zip(places, shown["ratio"], shown["wanted"]):
        axis.annotate(
            f"{ratio:.2g}",
            (max(ratio, np.nan_to_num(wanted)), place),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    axis.margins(y=0.01)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside upper right")
    figure.savefig(path, dpi=100)


def slower(table: pd.DataFrame, before: pd.DataFrame) -> list[str]:
    """What of a table has lost a fifth or more since it was measured last, where possible by the ratio, which a busy
    machine changes less."""
    same = ["path", "plain_way", "device"]
    both = table.merge(before.drop_duplicates(same, keep="last"), on=same, suffixes=("", "_before"))
    found = []
    for row in both.itertuples():
        if pd.notna(row.ratio):
            now, then, unit = row.ratio, row.ratio_before, "x"
        else:
            now, then, unit = row.ours, row.ours_before, row.unit
        if now < 0.8 * then:
            found.append(f"{row.path}: {now:.3g} {unit}, last time {then:.3g}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topics", nargs="*", metavar="topic", help=f"of {', '.join(TOPICS)}; all without")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("-o", "--output", type=Path, default=Path("outputs/bench"))
    options = parser.parse_args()
    if unknown := set(options.topics) - set(TOPICS):
        parser.error(f"no benchmark of {', '.join(sorted(unknown))}; there are {', '.join(TOPICS)}")
    console, figures = Console(), []
    for topic in options.topics or TOPICS:
        with console.status(f"measuring {topic}"):
            found = figures_of(topic, options.device)
        tell(found, console)
        figures += found
    table = pd.DataFrame([{**vars(figure), "ratio": figure.ratio, "reached": figure.reached} for figure in figures])
    table = table.assign(at=pd.Timestamp.now("UTC"), machine=platform.processor() or platform.machine())
    options.output.mkdir(parents=True, exist_ok=True)
    kept, picture = options.output / "bench.parquet", options.output / "bench.png"
    before = pd.read_parquet(kept) if kept.exists() else table[:0]
    for line in slower(table, before):
        console.print(f"slower: {line}", style="red", markup=False)
    pd.concat([before, table] if len(before) else [table]).to_parquet(kept)
    draw(table, picture)
    console.print(f"{kept} and {picture}", soft_wrap=True)


if __name__ == "__main__":
    main()
