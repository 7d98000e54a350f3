"""`atom motions check`: what a set of motions contains, and what can't be used."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from atom.commands.motions.output import print_rejected
from atom.errors import AtomError

if TYPE_CHECKING:
    from atom.external.motion_set import ExternalMotionSet
    from atom.motion_formats.remark_counts import RemarkCounts


def check(
    path: Annotated[
        Path, typer.Argument(help="a folder as a generator left it or with an index, a table, or one file")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON object, with every rejected row, prompt and motion")
    ] = False,
) -> None:
    """Report what a set of motions contains and what can't be used. Exit status 1 when nothing can be used."""
    from atom.external.motion_set import derive_prompts, read_motion_set

    progress_console = Console(stderr=True)
    with progress_console.status("reading the index") as status:
        motion_set = read_motion_set(path, lambda rows: status.update(f"reading the index: {rows:,} rows"))
    prompts, without_prompt = derive_prompts(motion_set)
    frames, rejected, remarks = _read_lengths(motion_set, progress_console)
    prompts_by_id = {prompt.prompt_id: prompt for prompt in prompts}
    usable = [entry for entry in motion_set.entries if entry.prompt_id in prompts_by_id and entry.where in frames]
    used_prompts = [prompts_by_id[prompt_id] for prompt_id in dict.fromkeys(entry.prompt_id for entry in usable)]
    lengths = sorted(frames[entry.where] for entry in usable)
    summary = {
        "origin": motion_set.origin,
        "motions": len(usable),
        "prompts": len(used_prompts),
        "tasks": dict(Counter(prompt.task for prompt in used_prompts)),
        "splits": dict(Counter(prompt.split for prompt in used_prompts)),
        "samples": _range(Counter(entry.prompt_id for entry in usable).values()),
        "frames": _range(lengths) | ({"median": lengths[len(lengths) // 2]} if lengths else {}),
        "with_tokens": sum(bool(entry.tokens) for entry in usable),
        "remarks": remarks.to_dict(),
        "quarantined": [
            {"what": what, "where": where, "reason": reason}
            for what, rows in (("row", motion_set.quarantined), ("prompt", without_prompt), ("motion", rejected))
            for where, reason in rows
        ],
    }
    if as_json:
        print(json.dumps(summary))
    else:
        _print_summary(summary, remarks)
    if not usable:
        raise typer.Exit(1)


def _read_lengths(
    motion_set: ExternalMotionSet, progress_console: Console
) -> tuple[dict[str, int], list[tuple[str, str]], RemarkCounts]:
    """The number of frames of each motion that can be read, by its row, the rows of the others with the reason, and
    what was assumed."""
    from atom.motion_formats.remark_counts import RemarkCounts

    frames: dict[str, int] = {}
    rejected, remarks = [], RemarkCounts()
    for entry in track(motion_set.entries, "reading motions", console=progress_console):
        try:
            motion = motion_set.convert(entry)
        except AtomError as error:
            rejected.append((entry.where, str(error)))
            continue
        frames[entry.where] = len(motion.joints)
        remarks.add(motion.record, entry.where)
    return frames, rejected, remarks


def _range(values: Iterable[int]) -> dict[str, int]:
    values = list(values)
    return {"least": min(values), "most": max(values)} if values else {}


def _print_summary(summary: dict[str, Any], remarks: RemarkCounts) -> None:
    table = Table(box=None, show_header=False)
    table.add_row("motions", f"{summary['motions']:,} of {summary['prompts']:,} prompts")
    for name in ("tasks", "splits"):
        table.add_row(name, ", ".join(f"{number:,} {value}" for value, number in summary[name].items()))
    if summary["motions"]:
        samples, frames = summary["samples"], summary["frames"]
        table.add_row("motions a prompt", f"{samples['least']} to {samples['most']}")
        table.add_row("frames", f"{frames['least']} to {frames['most']}, median {frames['median']} (20 a second)")
        table.add_row("with tokens", f"{summary['with_tokens']:,}")
    console = Console()
    console.print(table)
    for sentence in remarks.sentences():
        console.print(sentence, soft_wrap=True, markup=False, highlight=False)
    if summary["quarantined"]:
        print_rejected(console, [(f"{row['what']}, {row['where']}", row["reason"]) for row in summary["quarantined"]])
