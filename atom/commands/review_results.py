"""`atom review results` and `atom review export`: evaluate people's votes on a run, or export them as preferences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from atom.commands.options import JsonOption, RunArgument, StoreOption, VotesFileOption, open_store
from atom.commands.tables import right_aligned
from atom.errors import AtomError
from atom.preferences.export_format import ExportFormat
from atom.review.votes import DecisionSource, Vote

if TYPE_CHECKING:
    from storage import Store

VoteExportFormat = Literal[ExportFormat, "votes"]

_MAX_DISAGREEMENTS = 10


def results(
    run: RunArgument = "latest",
    store: StoreOption = "store",
    votes_file: VotesFileOption = None,
    as_json: JsonOption = False,
    write: Annotated[
        bool, typer.Option("--write", help="write human.json and the page people.html beside the run's report")
    ] = False,
) -> None:
    """Show which model people prefer, and how well they agree with each other and with the judges."""
    from atom.report.run_tables import RunTables
    from atom.review.tally import aggregate_judge_scores
    from atom.review.vote_results import summarise_votes

    artifacts, record, votes = _read_run_votes(store, run, votes_file)
    tables = RunTables(artifacts, record)
    progress_console = Console(stderr=True)
    with progress_console.status("counting the votes"):
        texts = {prompt_id: prompt["text"] for prompt_id, prompt in tables.prompts.items()}
        summary = summarise_votes(votes, aggregate_judge_scores(tables.score_rows), texts)
    if write:
        _write_summary(artifacts, tables, summary, progress_console)
    if as_json:
        print(json.dumps(summary, allow_nan=False))
    else:
        _print_summary(summary)


def export(
    output: Annotated[Path, typer.Option("-o", "--output", help="the folder to write")],
    run: RunArgument = "latest",
    store: StoreOption = "store",
    votes_file: VotesFileOption = None,
    decided_as: Annotated[
        DecisionSource,
        typer.Option(
            "--as",
            help="human: people's pairs; judge: the judge's; corrected: the judge's, flipped where people disagree",
        ),
    ] = "human",
    form: Annotated[
        VoteExportFormat,
        typer.Option(
            help="atom (preference_labels.jsonl), datasets (Hugging Face), trl, or votes (a row for each vote)"
        ),
    ] = "atom",
) -> None:
    """Export votes, or preference pairs from them for `atom run --set external.preferences=FOLDER`."""
    from atom.preferences.exporting import export_preferences
    from atom.report.run_tables import RunTables
    from atom.review.voted_preferences import annotations_from_votes, preferences_from_votes

    artifacts, record, votes = _read_run_votes(store, run, votes_file)
    out = Console()
    if form not in get_args(ExportFormat):
        path = _write_votes(output, votes)
        out.print(f"{path}: {len(votes):,} votes", markup=False, soft_wrap=True)
        return
    rows = preferences_from_votes(decided_as, votes, RunTables(artifacts, record))
    if not rows:
        raise AtomError(f"no pair of run {record['run_id']} is decided: {_explain_no_pairs(decided_as)}")
    uses_votes = decided_as != "judge"
    export_preferences(
        rows,
        output,
        form,
        about=_describe_export(record, decided_as, votes if uses_votes else []),
        annotations=annotations_from_votes(votes) if uses_votes else None,
    )
    message = (
        f"{output}: {len(rows):,} pairs, {sum(row['decided_by'] == 'annotator' for row in rows):,} decided by people"
    )
    if held_out := sum(row["split"] != "train" for row in rows):
        message += f"; {held_out:,} are of held-out prompts, which tuning leaves out"
    out.print(message, markup=False, soft_wrap=True)


def _read_run_votes(root: str, run: str, votes_file: Path | None) -> tuple[Store, dict[str, Any], list[Vote]]:
    from atom.review.vote_files import locate_votes_file, read_votes

    store = open_store(root)
    record = store.run(run)
    return store, record, read_votes(locate_votes_file(store, record["run_id"], votes_file))


def _explain_no_pairs(decided_as: DecisionSource) -> str:
    return (
        "the run built no pairs, or people were evenly split on all of them"
        if decided_as != "human"
        else "let people vote on pairs of motions"
    )


def _describe_export(record: Mapping[str, Any], decided_as: DecisionSource, votes: Sequence[Vote]) -> dict[str, Any]:
    config = record["config"]
    return {
        "name": f"Motion preferences of {config['name']}",
        "run": record["run_id"],
        "generator": Path(
            config["generation"]["checkpoint"]
        ).name,  # a whole path would reveal folder names of its owner
        "judge": None if decided_as == "human" else config["judging"]["judge"],
        "pairs": {
            "human": "those that people compared, decided by the majority",
            "judge": "the judge's",
            "corrected": "the judge's; flipped where most people prefer the other motion, left out where they are "
            "evenly split",
        }[decided_as],
        "votes": len(votes) or None,
        "voters": len({vote.voter for vote in votes}) or None,
        "degree": "how far people agree, for pairs that they decided" if votes else None,
    }


def _write_summary(store: Store, tables: Any, summary: Mapping[str, Any], progress_console: Console) -> None:
    from atom.report.people_page import render_people_page

    page = render_people_page(tables.run_id, summary, tables.joints)
    human = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    for name, text in (("human.json", human), ("people.html", page)):
        progress_console.print(store.save_run_file(tables.run_id, name, text.encode()), markup=False, soft_wrap=True)


def _write_votes(folder: Path, votes: Sequence[Vote]) -> Path:
    import pyarrow.parquet as pq

    from atom.review.vote_files import build_votes_table

    path = folder / "votes.parquet"
    if path.exists():
        raise AtomError(f"{path}: is there already, name a new folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(build_votes_table(votes), path, compression="zstd")
    except OSError as error:
        raise AtomError(f"{folder}: can't be written ({error.strerror or error}), choose another place") from error
    return path


def _print_summary(summary: Mapping[str, Any]) -> None:
    out = Console()
    votes = summary["votes"]
    out.print(
        f"{votes['pairs']} votes on pairs and {votes['clips']} on single motions by {votes['voters']} people, "
        f"{votes['skipped']} skipped",
        highlight=False,
    )
    for row in summary["win_rates"]:
        out.print(_win_rate_table(row))
    if summary["scores"]:
        out.print(_gain_table(summary["scores"]))
    out.print(_agreement_table(summary))
    out.print(_voter_table(summary["voters"]))
    if summary["disagreements"]:
        out.print(_disagreement_table(summary["disagreements"]))
    out.print(" ".join(summary["verdict"]), markup=False, highlight=False, style="bold")


def _win_rate_table(row: Mapping[str, Any]) -> Table:
    title = Text(f"{row['arm']} against {row['against']}")
    table = Table(
        "",
        *right_aligned("win rate", "95 % interval", "wins", "ties", "losses", "prompts"),
        "verdict",
        title=title,
        title_justify="left",
        box=None,
    )
    for name, figures in row.items():
        if name not in ("arm", "against"):
            interval = figures["win_rate"]["interval"]
            table.add_row(
                name,
                f"{figures['win_rate']['value']:.0%}",
                "{:.0%} to {:.0%}".format(*interval) if interval else "",
                *(str(figures[count]) for count in ("wins", "ties", "losses", "prompts")),
                figures["verdict"],
            )
    return table


def _gain_table(scores: Mapping[str, Any]) -> Table:
    table = Table(
        "",
        *right_aligned("base", "tuned", "gain", "95 % interval", "prompts"),
        "verdict",
        title="people's scores",
        title_justify="left",
        box=None,
    )
    for name, figures in scores.items():
        if isinstance(figures, dict) and "gain" in figures:
            interval = (
                "" if figures["gain_low"] is None else f"{figures['gain_low']:+.2f} to {figures['gain_high']:+.2f}"
            )
            table.add_row(
                name.replace("_", " "),
                f"{figures['base']:.2f}",
                f"{figures['tuned']:.2f}",
                f"{figures['gain']:+.2f}",
                interval,
                str(figures["n"]),
                figures["verdict"],
            )
    return table


def _agreement_table(summary: Mapping[str, Any]) -> Table:
    table = Table("agreement", "measure", *right_aligned("n", "value", "95 % interval"), box=None)
    pairs, clips = summary["among_people"]["pairs"], summary["among_people"]["clips"]
    lines = [
        ("people, pairs", "Krippendorff's alpha", pairs["items"], pairs["krippendorff_alpha"]),
        ("people, pairs", "Fleiss' kappa", pairs["fleiss_kappa"]["items"], pairs["fleiss_kappa"]),
        ("people, scores", "Krippendorff's alpha", clips["items"], clips["krippendorff_alpha"]),
    ]
    for name, judge in summary["judges"].items():
        lines.append((f"with {name}, pairs", "pair accuracy", judge["pairs"]["n"], judge["pairs"]["pair_accuracy"]))
        lines += [
            (f"with {name}, scores", words, judge["clips"]["n"], judge["clips"][measure])
            for measure, words in (
                ("weighted_kappa", "weighted kappa"),
                ("spearman", "Spearman"),
                ("pair_accuracy", "pair accuracy"),
                ("mean_error", "judge minus people"),
            )
        ]
    for who, measure, n, figure in lines:
        if n:
            value = "" if figure["value"] is None else f"{figure['value']:.2f}"
            interval = "{:.2f} to {:.2f}".format(*figure["interval"]) if figure["interval"] else ""
            table.add_row(Text(who), measure, str(n), value, interval)
    return table


def _voter_table(voters: Sequence[Mapping[str, Any]]) -> Table:
    columns = right_aligned("votes", "skipped", "seconds", "ties", "left", "same as others", "kappa")
    table = Table("voter", *columns, box=None)
    for voter in voters:
        fractions = (
            "" if voter[name] is None else f"{voter[name]:.2f}" for name in ("ties", "left", "agrees", "kappa")
        )
        seconds = "" if voter["seconds"] is None else f"{voter['seconds']:.1f}"
        table.add_row(Text(voter["voter"]), str(voter["votes"]), str(voter["skipped"]), seconds, *fractions)
    return table


def _disagreement_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("prompt", "judge", "people say", *right_aligned("judge's scores"), "motions", box=None)
    for row in rows[:_MAX_DISAGREEMENTS]:
        pair = row["kind"] == "pair"
        people = f"{row['arms'][0]} is better ({row['people']:.0%})" if pair else f"{row['people']:.1f} of 5"
        scores = " and ".join(f"{score:.1f}" for score in row["scores"])
        table.add_row(*map(Text, (row["prompt"], row["judge"], people, scores, "\n".join(row["motion_ids"]))))
    if len(rows) > _MAX_DISAGREEMENTS:
        table.add_row(f"... and {len(rows) - _MAX_DISAGREEMENTS:,} more")
    return table
