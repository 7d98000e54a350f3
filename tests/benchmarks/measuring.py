"""How every benchmark measures: our way and the plain way in turn, in one run, so that a busy machine slows both."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass

import torch
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """What was measured of one hot path; together with the plain way and the device, `path` is its name.

    `ours` and `plain` are rates in `unit`, the more the better; `wanted` is the least ratio of the two, or, where
    nothing is held beside it, the least rate. `limit` is the rate that `limit_by` does not let anybody exceed.
    """

    path: str
    unit: str
    ours: float
    plain: float | None = None
    plain_way: str = ""
    wanted: float | None = None
    limit: float | None = None
    limit_by: str = ""
    device: str = "cpu"

    @property
    def ratio(self) -> float | None:
        return self.ours / self.plain if self.plain else None

    @property
    def reached(self) -> bool | None:
        """None where nothing is wanted."""
        if self.wanted is None:
            return None
        return (self.ours if self.ratio is None else self.ratio) >= self.wanted


def in_turn(
    *ways: Callable[[], object], repeats: int = 5, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Median seconds of each way, which take turns; all run once before, so that nothing is timed that happens once."""
    times: list[list[float]] = [[] for _ in ways]
    for way in ways:
        way()
    for _ in range(repeats):
        for taken, way in zip(times, ways):
            began = clock()
            way()
            taken.append(clock() - began)
    return [statistics.median(taken) for taken in times]


def matrix_product_rate(device: str = "cpu", size: int = 1024, dtype: torch.dtype = torch.float32) -> float:
    """Operations a second of a large square matrix product here and now, which nothing made of products exceeds.

    The best of torch's libraries counts: on a CPU, MKL's float32 can be half as fast as oneDNN's.
    """
    left, right = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))
    products: list[Callable[[], object]] = [lambda: left @ right]
    if left.device.type == "cpu" and torch.backends.mkldnn.is_available():
        products.append(lambda: torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], ""))
    times = []
    for product in products * 9:
        began = time.perf_counter()
        product()
        if left.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return 2 * size**3 / min(times)


def reading_rate(device: str = "cpu", size: int = 100_000_000) -> float:
    """Bytes a second that come from memory when numbers far too many for any cache are added up."""
    numbers = torch.ones(size, device=device)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        numbers.sum().item()
        times.append(time.perf_counter() - began)
    return numbers.nbytes / min(times)


def tell(figures: Iterable[Figure], console: Console | None = None) -> None:
    """Prints a table of figures."""
    table = Table("path", "ours", "plain way", "ratio", "wanted", "limit", title_justify="left")
    for figure in figures:
        wanted = "" if figure.wanted is None else f"{figure.wanted:g}{'' if figure.ratio is None else ' x'}"
        if figure.reached is not None:
            wanted += " [green]yes[/]" if figure.reached else " [red]no[/]"
        table.add_row(
            figure.path,
            f"{figure.ours:,.4g} {figure.unit}",
            "" if figure.plain is None else f"{figure.plain:,.4g}\n[dim]{figure.plain_way}[/]",
            "" if figure.ratio is None else f"{figure.ratio:.2f} x",
            wanted,
            ""
            if figure.limit is None
            else f"{figure.ours / figure.limit:.0%} of {figure.limit:,.4g}\n[dim]{figure.limit_by}[/]",
        )
    (console or Console()).print(table)


def main(measure: Callable[[str], Iterator[Figure]], about: str | None) -> None:
    """The command line of one benchmark: `--device cuda`; `--json` prints a figure a line instead of a table."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--device", default="cpu", help="cpu, or cuda")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.json:
        for figure in measure(options.device):
            print(json.dumps(asdict(figure)), flush=True)
    else:
        tell(measure(options.device))
