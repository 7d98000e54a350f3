"""`atom review results` and `atom review export`: what people said of a run, and their votes as preferences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from atom.errors import AtomError
from atom.preferences.card import ExportFormat
from atom.review.vote_files import locate_votes_file, read_votes, build_votes_table
from atom.review.voted_preferences import DecisionSource
from atom.review.votes import Vote
from storage import Store, StoreError

Run = Annotated[str, typer.Argument(help="a run, or 'latest'")]
Root = Annotated[str, typer.Option("--store", help="folder or fsspec address of the artifacts")]
Book = Annotated[Path | None, typer.Option("--votes", help="a file of votes; by default that of the run")]
AsForm = Literal[ExportFormat, "votes"]

_SHOWN = 10  # disagreements


def results(
    run: Run = "latest",
    store: Root = "store",
    book: Book = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="write human.json and people.html, a page, beside the run's report")
    ] = False,
) -> None:
    """Say which model people prefer, how far they agree with each other and with the judges, and where they do not."""
    from atom.report.run_tables import RunTables
    from atom.review.tally import aggregate_judge_scores
    from atom.review.vote_results import summarise_votes

    artifacts, record, votes = _voted(store, run, book)
    tables = RunTables(artifacts, record)
    errors = Console(stderr=True)
    with errors.status("counting the votes"):
        texts = {prompt_id: prompt["text"] for prompt_id, prompt in tables.prompts.items()}
        found = summarise_votes(votes, aggregate_judge_scores(tables.score_rows), texts)
    if write:
        _write(artifacts, tables, found, errors)
    if as_json:
        print(json.dumps(found, allow_nan=False))
    else:
        _show(found)


def export(
    output: Annotated[Path, typer.Option("-o", "--output", help="the folder to write")],
    run: Run = "latest",
    store: Root = "store",
    book: Book = None,
    decided_as: Annotated[
        DecisionSource,
        typer.Option("--as", help="whose pairs: people's, the judge's, or the judge's turned round by most people"),
    ] = "human",
    form: Annotated[
        AsForm, typer.Option(help="atom (preference_labels.jsonl), datasets (Hugging Face), trl; or votes, one a row")
    ] = "atom",
) -> None:
    """Write votes as preference pairs, which `atom run --set external.preferences=FOLDER` tunes on, or as they are."""
    from atom.preferences.exporting import export_preferences
    from atom.report.run_tables import RunTables
    from atom.review.voted_preferences import annotations_from_votes, preferences_from_votes

    artifacts, record, votes = _voted(store, run, book)
    out = Console()
    if form not in get_args(ExportFormat):
        path = _write_votes(output, votes)
        out.print(f"{path}: {len(votes):,} votes", markup=False, soft_wrap=True)
        return
    rows = preferences_from_votes(decided_as, votes, RunTables(artifacts, record))
    if not rows:
        raise AtomError(f"no pair of run {record['run_id']} is decided: {_none_decided(decided_as)}")
    people = decided_as != "judge"
    export_preferences(
        rows,
        output,
        form,
        about=_about(record, decided_as, votes if people else []),
        annotations=annotations_from_votes(votes) if people else None,
    )
    told = f"{output}: {len(rows):,} pairs, {sum(row['decided_by'] == 'annotator' for row in rows):,} decided by people"
    if held_out := sum(row["split"] != "train" for row in rows):
        told += f"; {held_out:,} are of held-out prompts, which tuning leaves out"
    out.print(told, markup=False, soft_wrap=True)


def _voted(root: str, run: str, book: Path | None) -> tuple[Store, dict[str, Any], list[Vote]]:
    store = Store(root)
    if not store.exists():
        raise StoreError(f"no store at {root!r}; `atom run` makes one, --store ROOT names another")
    record = store.run(run)
    return store, record, read_votes(locate_votes_file(store, record["run_id"], book))


def _none_decided(decided_as: DecisionSource) -> str:
    return "the run built no pairs that are left" if decided_as != "human" else "let people vote on pairs of motions"


def _about(record: Mapping[str, Any], decided_as: DecisionSource, votes: Sequence[Vote]) -> dict[str, Any]:
    config = record["config"]
    return {
        "name": f"Motion preferences of {config['name']}",
        "run": record["run_id"],
        "generator": Path(config["generation"]["checkpoint"]).name,  # a path tells too much of its owner's machine
        "judge": None if decided_as == "human" else config["judging"]["judge"],
        "pairs": {
            "human": "those that people compared, decided by most of them",
            "judge": "the judge's",
            "corrected": "the judge's; turned round where most people prefer the other motion, left out where they are "
            "evenly split",
        }[decided_as],
        "votes": len(votes) or None,
        "voters": len({vote.voter for vote in votes}) or None,
        "degree": "of what people decided, how far they agree" if votes else None,
    }


def _write(store: Store, tables: Any, found: Mapping[str, Any], errors: Console) -> None:
    from atom.report.people_page import render_people_page

    page = render_people_page(tables.run_id, found, tables.joints)
    human = json.dumps(found, indent=2, allow_nan=False) + "\n"
    for name, text in (("human.json", human), ("people.html", page)):
        errors.print(store.save_run_file(tables.run_id, name, text.encode()), markup=False, soft_wrap=True)


def _write_votes(folder: Path, votes: Sequence[Vote]) -> Path:
    import pyarrow.parquet as pq

    path = folder / "votes.parquet"
    if path.exists():
        raise AtomError(f"{path}: is there already, name a new folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(build_votes_table(votes), path, compression="zstd")
    except OSError as error:
        raise AtomError(f"{folder}: can't be written ({error.strerror or error}), choose another place") from error
    return path


def _show(found: Mapping[str, Any]) -> None:
    out = Console()
    cast = found["votes"]
    out.print(
        f"{cast['pairs']} votes on pairs and {cast['clips']} on single motions by {cast['voters']} people, "
        f"{cast['skipped']} skipped",
        highlight=False,
    )
    for row in found["win_rates"]:
        out.print(_win_rates(row))
    if found["scores"]:
        out.print(_gains(found["scores"]))
    out.print(_agreement(found))
    out.print(_voters(found["voters"]))
    if found["disagreements"]:
        out.print(_disagreements(found["disagreements"]))
    out.print(" ".join(found["verdict"]), markup=False, highlight=False, style="bold")


def _win_rates(row: Mapping[str, Any]) -> Table:
    title = Text(f"{row['arm']} against {row['against']}")
    table = Table(
        "",
        *_right("win rate", "95 % interval", "wins", "ties", "losses", "prompts"),
        "verdict",
        title=title,
        title_justify="left",
        box=None,
    )
    for name, f in row.items():
        if name not in ("arm", "against"):
            interval = f["win_rate"]["interval"]
            table.add_row(
                name,
                f"{f['win_rate']['value']:.0%}",
                "{:.0%} to {:.0%}".format(*interval) if interval else "",
                *(str(f[count]) for count in ("wins", "ties", "losses", "prompts")),
                f["verdict"],
            )
    return table


def _gains(scores: Mapping[str, Any]) -> Table:
    table = Table(
        "",
        *_right("base", "tuned", "gain", "95 % interval", "prompts"),
        "verdict",
        title="people's scores",
        title_justify="left",
        box=None,
    )
    for name, f in scores.items():
        if isinstance(f, dict) and "gain" in f:
            interval = "" if f["gain_low"] is None else f"{f['gain_low']:+.2f} to {f['gain_high']:+.2f}"
            table.add_row(
                name.replace("_", " "),
                f"{f['base']:.2f}",
                f"{f['tuned']:.2f}",
                f"{f['gain']:+.2f}",
                interval,
                str(f["n"]),
                f["verdict"],
            )
    return table


def _agreement(found: Mapping[str, Any]) -> Table:
    table = Table("agreement", "measure", *_right("n", "value", "95 % interval"), box=None)
    pairs, clips = found["among_people"]["pairs"], found["among_people"]["clips"]
    lines = [
        ("people, pairs", "Krippendorff's alpha", pairs["items"], pairs["krippendorff_alpha"]),
        ("people, pairs", "Fleiss' kappa", pairs["fleiss_kappa"]["items"], pairs["fleiss_kappa"]),
        ("people, scores", "Krippendorff's alpha", clips["items"], clips["krippendorff_alpha"]),
    ]
    for name, judge in found["judges"].items():
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


def _voters(voters: Sequence[Mapping[str, Any]]) -> Table:
    columns = _right("votes", "skipped", "seconds", "ties", "left", "same as others", "kappa")
    table = Table("voter", *columns, box=None)
    for voter in voters:
        shares = ("" if voter[name] is None else f"{voter[name]:.2f}" for name in ("ties", "left", "agrees", "kappa"))
        seconds = "" if voter["seconds"] is None else f"{voter['seconds']:.1f}"
        table.add_row(Text(voter["voter"]), str(voter["votes"]), str(voter["skipped"]), seconds, *shares)
    return table


def _disagreements(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("prompt", "judge", "people say", *_right("judge's scores"), "motions", box=None)
    for row in rows[:_SHOWN]:
        pair = row["kind"] == "pair"
        people = f"{row['arms'][0]} is better ({row['people']:.0%})" if pair else f"{row['people']:.1f} of 5"
        scores = " and ".join(f"{score:.1f}" for score in row["scores"])
        table.add_row(*map(Text, (row["prompt"], row["judge"], people, scores, "\n".join(row["motion_ids"]))))
    if len(rows) > _SHOWN:
        table.add_row(f"... and {len(rows) - _SHOWN:,} more")
    return table


def _right(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]
