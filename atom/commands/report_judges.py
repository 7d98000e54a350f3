"""`atom report judges`: compare all judges of a run, people included, with each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from atom.commands.options import JsonOption, RunArgument, StoreOption, VotesFileOption, open_store
from atom.commands.tables import right_aligned
from atom.errors import AtomError

if TYPE_CHECKING:
    import pandas as pd

    from storage import Store

_AGREEMENT_LABELS = {
    "weighted_kappa": "weighted kappa",
    "spearman": "Spearman",
    "exact_kappa": "kappa of exact match",
    "pair_accuracy": "pair accuracy",
    "pair_accuracy_turned": "... roles swapped",
}


def judges(
    run: RunArgument = "latest",
    store: StoreOption = "store",
    votes_file: VotesFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare all judges that scored motions of a run, and people who voted: mean score, cost, agreement."""
    from atom.report.judge_comparison import compare_judge_scores
    from atom.report.run_tables import RunTables
    from atom.report.wording import describe_coverage

    artifacts = open_store(store)
    with Console(stderr=True).status("reading the scores"):
        tables = RunTables(artifacts, artifacts.run(run))
        rows = _collect_rows(artifacts, tables, votes_file)
        if rows.empty:
            raise AtomError(f"no judge scored a motion of run {tables.run_id}: name another run, or resume it")
        comparison = compare_judge_scores(rows)
    if as_json:
        print(json.dumps(comparison | {"coverage": list(map(asdict, tables.coverage))}, allow_nan=False))
    else:
        _print_comparison(comparison, describe_coverage(tables.coverage))


def _collect_rows(store: Store, tables: Any, votes_file: Path | None) -> pd.DataFrame:
    """A row for each motion and judge; people's scores come last."""
    import pandas as pd

    from atom.report.judge_comparison import COLUMNS
    from atom.review.tally import aggregate_judge_scores, aggregate_people_scores
    from atom.review.vote_files import locate_votes_file, read_votes

    judged = aggregate_judge_scores(tables.score_rows)
    path = locate_votes_file(store, tables.run_id, votes_file) if votes_file or store.files.local else None
    people = aggregate_people_scores(read_votes(path) if path and path.is_file() else []).assign(cost=None)
    return pd.concat([table[list(COLUMNS)].astype(object) for table in (judged, people)])


def _print_comparison(comparison: Mapping[str, Any], notes: Sequence[str]) -> None:
    out = Console()
    table = Table(
        "judge",
        *right_aligned("motions", "mean score", "95 % interval", "unscored", "$ a motion", "s a motion"),
        box=None,
    )
    for name, judge in comparison["judges"].items():
        cost = "" if judge["cost"] is None else f"{judge['cost']:.4f}"
        table.add_row(
            Text(name),
            str(judge["motions"]),
            *_format_figure(judge["score"]),
            f"{judge['unscored']:.1%}",
            cost,
            f"{judge['seconds']:.2f}",
        )
    out.print(table)
    for note in notes:
        out.print(note, markup=False, highlight=False)
    for pair in comparison["pairs"]:
        title = f"{pair['judges'][0]} and {pair['judges'][1]}, {pair['n']} motions of {pair['prompts']} prompts"
        out.print(title, style="italic", markup=False, highlight=False)
        table = Table("agreement", *right_aligned("value", "95 % interval"), box=None)
        for name, words in _AGREEMENT_LABELS.items():
            table.add_row(words, *_format_figure(pair[name]))
        out.print(table)
    out.print(
        "Pair accuracy: of the pairs of motions of one prompt to which the first judge gives different scores, the "
        "fraction that the second judge puts in the same order; ties count half. Roles swapped: the second judge's "
        "order is the reference.",
        style="dim",
    )


def _format_figure(figure: Mapping[str, Any]) -> tuple[str, str]:
    value = "" if figure["value"] is None else f"{figure['value']:.2f}"
    return value, "{:.2f} to {:.2f}".format(*figure["interval"]) if figure["interval"] else ""
