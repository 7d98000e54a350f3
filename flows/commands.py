"""`atom run` and `atom runs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from atom.commands.completion import complete_config_key, complete_from, complete_run
from atom.commands.tables import right_aligned
from atom.errors import AtomError
from atom.progress_bars import StageProgressBars
from flows.local_run import align_with_progress, quiet_prefect

if TYPE_CHECKING:
    from atom.config import RunConfig

StoreOption = Annotated[str, typer.Option("--store", help="folder or fsspec address of the artifacts")]
# Equal to `atom.alignment.Until`, whose import would slow completion down.
STAGES = ("prompts", "motions", "clips", "scores", "preferences", "tuning", "evaluation")
runs = typer.Typer(help="Show the runs of a store.", no_args_is_help=True)
tune = typer.Typer(help="Compare settings of the tuning.", no_args_is_help=True)


def run(
    config: Annotated[Path | None, typer.Option(help="YAML file; see atom/config for its fields")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="section.field=value; may be repeated", autocompletion=complete_config_key),
    ] = None,
    store: StoreOption = "store",
    resume: Annotated[
        str | None,
        typer.Option(help="run to resume, or 'latest': only what is missing is computed", autocompletion=complete_run),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="last stage: prompts, motions, clips, scores, preferences, tuning, evaluation",
            autocompletion=complete_from(STAGES),
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="check inputs and estimate time, memory and cost, without running")
    ] = False,
) -> None:
    """Run the whole pipeline; what the store already holds is reused."""
    from storage import Store

    settings, until = _settings(config, set_ or [], store, resume, until)
    Store(store).check_writable()
    if check:
        _check(settings, store)
        return
    quiet_prefect()
    from flows.services import check_services

    if settings.service.key_block is None:  # a key block is on the server, which does not run yet
        for remark in check_services(settings, Store(store)):
            Console(stderr=True).print(remark, markup=False)
    _print(align_with_progress(settings, store, until), store)


def _settings(
    config: Path | None, overrides: list[str], store: str, resume: str | None, until: str | None
) -> tuple[RunConfig, str | None]:
    """The config and the last stage: as given, or those of the run to resume."""
    from atom.config import load_config, parse_config
    from storage import Store

    if resume is None:
        return load_config(config, overrides), until
    if config or overrides or until:
        raise AtomError("--resume takes the run's own config: leave --config, --set and --until out")
    record = Store(store).run(resume)
    if record["state"] == "completed":
        raise AtomError(f"run {record['run_id']} is completed: there is nothing to resume")
    return parse_config(record["config"]), record.get("until")


def _check(settings: RunConfig, store: str) -> None:
    """Prints what the config's inputs hold and what the run will need. Raises AtomError when the run can't start."""
    from atom.planning.plan import make_plan
    from flows.services import check_services
    from storage import Store

    out = Console()
    with Console(stderr=True).status("reading files, trying the generator"):
        plan = make_plan(settings)
        try:
            remarks = check_services(settings, Store(store))
        except AtomError as error:
            plan.problems.append(str(error))
            remarks = []
    for key, found in plan.found:
        out.print(f"[green]✓[/] [bold]{key}[/]  {escape(found)}", soft_wrap=True)
    for remark in remarks:
        out.print(f"[yellow]![/] {escape(remark)}", soft_wrap=True)
    for problem in plan.problems:
        out.print(f"[red]✗[/] {escape(problem)}", soft_wrap=True)
    table = Table("estimate", "amount", "basis", box=None)
    for estimate in plan.estimates:
        table.add_row(estimate.name, estimate.amount, escape(estimate.basis))
    out.print(table)
    if plan.problems:
        raise AtomError(f"the run can't start: {len(plan.problems)} problem(s), each in a line above")


@tune.callback()
def _tune() -> None:
    """Compare settings of the tuning."""


@tune.command()
def sweep(
    over: Annotated[
        list[str] | None,
        typer.Option(
            help="field=value,value, such as tuning.beta=0.05,0.1; several options give all combinations",
            autocompletion=complete_config_key,
        ),
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option("--try", help="another setting, such as 'tuning.loss_type=simpo tuning.average_log_prob=true'"),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file of the config that all settings share")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="section.field=value for all settings", autocompletion=complete_config_key),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="runs of each setting")] = 1,
    budget: Annotated[int | None, typer.Option(min=1, help="most settings; of more, a sample is tried")] = None,
    store: StoreOption = "store",
    output: Annotated[Path, typer.Option("-o", "--output", help="folder of sweep.parquet and sweep.png")] = Path(
        "sweep"
    ),
) -> None:
    """Tune with each setting, compare base and tuned, and rank the settings.

    All settings share prompts, motions and scores, which are computed once. Evaluate the best setting again with
    another --set seed=N: these held-out prompts have selected it.
    """
    quiet_prefect()
    from atom.report import plots
    from flows.progress import progress_listener
    from flows.sweep import plan_trials, rank_settings, run_trials

    trials = plan_trials(set_ or [], over or [], point or [], seeds, budget, config)
    output.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)

    def keep(table: Any) -> None:
        table.to_parquet(output / "sweep.parquet", index=False)
        by_judge = {judge: rows.to_dict("records") for judge, rows in rank_settings(table).groupby("judge", sort=False)}
        (output / "sweep.png").write_bytes(plots.plot_sweep(by_judge).png)
        console.print(f"{table['setting'].nunique()} of {len(trials)} settings done", highlight=False)

    with StageProgressBars(console) as bars, progress_listener(bars.update):
        table = run_trials(
            trials,
            store,
            keep,
            lambda trial, error: console.print(
                f"{trial.name}: {error}", style="red", markup=False, highlight=False, soft_wrap=True
            ),
        )
    judges = list(dict.fromkeys(table["judge"]))
    shown = Table(
        "setting", *(f"{judge}: gain" for judge in judges), "exact match", "length", "diversity", "seconds", box=None
    )
    for setting in dict.fromkeys(rank_settings(table)["setting"]):
        rows = table[table["setting"] == setting].set_index(["judge", "figure"])
        gains = [rows.loc[(judge, "overall")] for judge in judges]
        first = rows.loc[judges[0]]
        shown.add_row(
            setting,
            *(f"{gain['gain']:+.3f} ({_interval(gain)})" for gain in gains),
            *(
                f"{first.loc[name, 'base']:.2f} to {first.loc[name, 'tuned']:.2f}" if name in first.index else ""
                for name in ("exact_match", "length_ratio", "diversity")
            ),
            f"{gains[0]['seconds']:.1f}",
        )
    Console().print(shown)
    Console().print(f"{output / 'sweep.parquet'}, {output / 'sweep.png'}", soft_wrap=True)


@runs.command("list")
def list_runs(store: StoreOption = "store") -> None:
    """List the runs of a store, newest first."""
    from storage import Store

    table = Table("run", "state", "stages", "seconds", box=None)
    for record in Store(store).runs():
        table.add_row(record["run_id"], state_of(record), str(len(record["stages"])), str(record.get("seconds", "")))
    Console().print(table)


@runs.command()
def show(
    run_id: Annotated[str, typer.Argument(help="run, or 'latest'", autocompletion=complete_run)] = "latest",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
    store: StoreOption = "store",
) -> None:
    """Show the stages and results of a run."""
    from storage import Store

    record = Store(store).run(run_id)
    if as_json:
        print(json.dumps(record))
    else:
        _print(record, store)


def state_of(record: dict[str, Any]) -> str:
    """The recorded state, but "crashed" for a run of this machine whose process is gone."""
    from storage import process_is_gone

    return "crashed" if record["state"] == "running" and process_is_gone(record) else record["state"]


def _print(record: dict[str, Any], store: str) -> None:
    from atom.judging.coverage import JudgeCoverage
    from atom.report.wording import describe_coverage, name_figure

    out = Console()
    columns = ["shards", "reused", "rows", "seconds"]
    columns += [
        name for name in ("quarantined", "tokens", "cost") if any(stage.get(name) for stage in record["stages"])
    ]
    stages = Table("stage", *columns, box=None)
    for stage in record["stages"]:
        stages.add_row(stage["name"], *("" if stage.get(name) is None else str(stage[name]) for name in columns))
    out.print(stages)
    for judge, figures in record.get("evaluation", {}).items():
        table = Table(f"{judge} judge", "base", "tuned", "gain", "95 % interval", *right_aligned("prompts"), box=None)
        for name, figure in figures.items():
            if isinstance(figure, dict) and "gain" in figure:
                table.add_row(
                    name_figure(name),
                    *(f"{figure[key]:.3f}" for key in ("base", "tuned")),
                    f"{figure['gain']:+.3f}",
                    _interval(figure),
                    str(figure["n"]),
                )
        out.print(table)
        if baselines := figures.get("baselines"):
            table = Table("baseline", "score", "exact match", "tuned is ahead by", "95 % interval", box=None)
            for name, figure in baselines.items():
                ahead = figure["tuned_over_baseline"]
                table.add_row(
                    name,
                    f"{figure['overall']['tuned']:.3f}",
                    f"{figure['exact_match']['tuned']:.3f}" if "exact_match" in figure else "",
                    f"{ahead['gain']:+.3f}",
                    _interval(ahead),
                )
            out.print(table)
    if rows := record.get("metrics"):
        from atom.evaluation.comparison import BASE, TUNED
        from atom.report.metrics_table import build_metrics_table

        # The report has all arms; a terminal has room for three.
        metrics = build_metrics_table([row for row in rows if row["arm"] in ("real", BASE, TUNED)])
        table = Table(f"{metrics['note']['evaluator']} evaluator", *metrics["arms"], box=None)
        for name, cells in metrics["rows"].items():
            table.add_row(name, *cells)
        out.print(table)
    if pairs := record.get("preferences"):
        tasks = ", ".join(f"{row['pairs']} {row['task']}" for row in pairs["tasks"])
        of = f" of {total}" if (total := pairs.get("of_prompts")) else ""
        out.print(f"preferences: {pairs['pairs']} pairs of {pairs['prompts']}{of} prompts ({tasks})")
        if total and 2 * pairs["prompts"] < total:
            out.print(
                "most prompts gave no pair: raise generation.candidates, lower preferences.min_gap, or raise "
                "preferences.length_tolerance, which limits how much longer chosen motions are"
            )
    for line in describe_coverage([JudgeCoverage(**judge) for judge in record.get("coverage", [])]):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    for agreement in record.get("agreement", []):
        kappa = "undefined" if agreement["kappa"] is None else f"{agreement['kappa']:.2f}"
        judges = " and the ".join(agreement["judges"])
        out.print(f"kappa of the {judges} judge: {kappa}, on {agreement['n']} motions")
    for failure in record.get("trackers_failed", []):
        out.print(f"tracker {failure}", markup=False, highlight=False, soft_wrap=True)
    if spent := record.get("spent"):
        name = record["config"]["name"]
        out.print(f"spent by runs named {name!r}: ${spent['cost']:.4f}, {spent['tokens']:,} tokens")
    if (state := state_of(record)) != "completed":
        out.print(f"[red]{state}[/] {escape(record.get('error', ''))}", soft_wrap=True)
        for stage in record["stages"]:
            for failure in stage.get("failures", []):
                shards = ", ".join(map(str, failure["shards"]))
                out.print(f"{stage['name']} {shards}: {escape(failure['why'])}", soft_wrap=True)
        if state != "running":
            out.print(f"compute what is missing: atom run --resume {record['run_id']} --store {store}", soft_wrap=True)
    elif "report" in record:
        out.print(f"report: {record['report']}", soft_wrap=True)


def _interval(figure: dict[str, Any]) -> str:
    low, high = figure["gain_low"], figure["gain_high"]
    if figure["verdict"] == "too few prompts":
        return "too few prompts"
    return f"{low:+.3f} to {high:+.3f}" if low is not None and high is not None else ""
