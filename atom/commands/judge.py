"""`atom judge`: score a motion, compare two, and find out how far a judge can be trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from atom.commands.default_command import default_command_group
from atom.config import RunConfig, load_config
from atom.errors import AtomError
from atom.events import TASKS

Motion = Annotated[Path, typer.Argument(help="joints (T,22,3) or features (T,263) as .npy, or .npz with joints")]
Text = Annotated[str, typer.Argument(help="what the motion should show")]
TaskOption = Annotated[str, typer.Option("--task", help="integrity, temporal or frequency")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
Config = Annotated[Path | None, typer.Option("--config", help="YAML file of a run's config")]
Set = Annotated[list[str] | None, typer.Option("--set", help="section.field=value, as often as needed")]
StoreOption = Annotated[str, typer.Option("--store", help="where answers, pictures and clips are kept")]


judge_app = typer.Typer(
    cls=default_command_group("motion"),
    no_args_is_help=True,
    help="Score a motion (`atom judge FILE TEXT`), compare two, calibrate a judge.",
)


@judge_app.command("motion")
def judge_motion(
    motion: Motion,
    text: Text,
    task: TaskOption = "integrity",
    by: Annotated[str, typer.Option(help="kinematic, or vision: a vision-language model")] = "kinematic",
    config: Config = None,
    set_: Set = None,
    store: StoreOption = "store",
    as_json: Json = False,
) -> None:
    """Score how well a motion follows a text, 1 to 5, with the evidence for each event."""
    from atom.judging.kinematic_judge import KinematicJudge
    from atom.motion.motion_files import read_motion
    from atom.prompts.parsing import parse_events

    if task not in TASKS:
        raise AtomError(f"unknown task {task!r}; choose from {', '.join(TASKS)}")
    if by not in ("kinematic", "vision"):
        raise AtomError(f"unknown judge {by!r}; choose kinematic or vision")
    settings = load_config(config, [*(set_ or []), "on_policy.steps=0"])
    parsed = parse_events(text)
    if not parsed.events and (by == "kinematic" or settings.judging.vision.question == "events"):
        raise AtomError(
            f"cannot judge {text!r}: joints don't show, or the lexicon doesn't know: {', '.join(parsed.unknown)}"
        )
    joints = read_motion(motion)
    if by == "kinematic":
        judgement, answers = KinematicJudge(settings.judging).judge(joints, parsed.events, task), []
    else:
        from atom.judging.vision.vision_judge import judge_motion as ask_about

        vision = settings.judging.vision
        subject = _subject(joints, settings, text, parsed.events, task)
        opinion = _asked(settings, store, lambda service: ask_about(service, subject, vision, vision.model))
        if opinion.judgement is None:
            raise AtomError(f"{vision.model} gave no usable answer: {opinion.error}")
        judgement, answers = opinion.judgement, opinion.answers
    if as_json:
        print(
            json.dumps(
                {
                    "score": judgement.score,
                    "exact": judgement.exact,
                    "task": task,
                    "asked": [event.to_dict() for event in parsed.events],
                    "not_understood": list(parsed.unknown),
                    "seen": [vars(seen) for seen in judgement.seen],
                    "rationale": judgement.rationale,
                    "tokens": sum(answer.tokens for answer in answers),
                    "answers": [json.loads(answer.raw) for answer in answers],
                },
                default=float,
            )
        )
        return
    out = Console()
    if judgement.verdicts:
        table = Table("asked", "count", "seen", "from", "to", box=None, title_justify="left")
        for event, verdict in zip(parsed.events, judgement.verdicts, strict=True):
            seen = f"{verdict.seen_count}x" if verdict.found else "no"
            start, end = (f"{verdict.start / 20:.1f} s", f"{verdict.end / 20:.1f} s") if verdict.found else ("", "")
            table.add_row(event.phrase or event.action, str(event.count), seen, start, end)
        out.print(table)
    out.print(f"[bold]{judgement.score:.1f} of 5[/] ({task}): ", end="")
    out.print(judgement.rationale, markup=False)
    if parsed.unknown and judgement.verdicts:
        out.print(f"cannot judge: {', '.join(parsed.unknown)}", markup=False)


@judge_app.command()
def compare(
    first: Motion,
    second: Motion,
    text: Text,
    task: TaskOption = "integrity",
    config: Config = None,
    set_: Set = None,
    store: StoreOption = "store",
    as_json: Json = False,
) -> None:
    """Ask a vision-language model which of two motions follows a text better, in both orders."""
    from atom.judging.vision.vision_judge import compare_motions
    from atom.llm_client.runtime import gather_settled
    from atom.motion.motion_files import read_motion
    from atom.preferences.pairs import find_decided_pairs

    if task not in TASKS:
        raise AtomError(f"unknown task {task!r}; choose from {', '.join(TASKS)}")
    settings = load_config(config, [*(set_ or []), "on_policy.steps=0"])
    vision = settings.judging.vision
    one, other = (_subject(read_motion(path), settings, text, (), task) for path in (first, second))
    orders = {("first", "second"): (one, other), ("second", "first"): (other, one)}
    found = _asked(
        settings,
        store,
        lambda service: gather_settled(
            [compare_motions(service, *shown, vision, vision.model) for shown in orders.values()]
        ),
    )
    rows = [
        {
            "first_motion_id": names[0],
            "second_motion_id": names[1],
            "better": comparison.better,
            "rationale": comparison.rationale,
            "error": comparison.error,
        }
        for names, comparison in zip(orders, found)
    ]
    decided = find_decided_pairs(rows).get(("first", "second"))
    if as_json:
        print(json.dumps({"better": decided, "orders": rows}))
        return
    out = Console()
    said = {"first": str(first), "second": str(second)}
    for row in rows:
        better = {"first": row["first_motion_id"], "second": row["second_motion_id"]}.get(row["better"], "neither")
        out.print(
            f"shown first: {said[row['first_motion_id']]}; better: {said.get(better, better)}. "
            f"{row['error'] or row['rationale']}",
            markup=False,
        )
    out.print(
        f"better in both orders: {said[decided]}" if decided else "no decision: the two orders disagree", markup=False
    )


@judge_app.command()
def calibrate(
    output: Annotated[Path, typer.Option("-o", "--output", help="folder for the report, the figures and the rows")],
    by: Annotated[
        list[str] | None, typer.Option(help="vision, kinematic or learned, as often as needed; default: vision")
    ] = None,
    form: Annotated[
        list[str] | None,
        typer.Option(help="what the model sees: frames, sheet, 'sheet and path'; default: the config's"),
    ] = None,
    prompts: Annotated[int, typer.Option(min=1, help="prompts to make clips for, four each")] = 60,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    labelled: Annotated[Path | None, typer.Option(help="your own clips instead: JSONL or Parquet")] = None,
    config: Config = None,
    set_: Set = None,
    store: StoreOption = "store",
) -> None:
    """Score clips whose events are known and tell how far each judge, and each form of pictures, can be trusted."""
    from atom.judging.calibration import calibrate as figures_of
    from atom.judging.calibration import make_calibration_clips, compare_judges, read_labelled_clips, level_counts
    from atom.report.calibration_page import plot_calibration, render_calibration_page

    settings = load_config(config, [*(set_ or []), "on_policy.steps=0"])
    judges = by or ["vision"]
    if unknown := [name for name in judges if name not in ("vision", "kinematic", "learned")]:
        raise AtomError(f"unknown judge {unknown[0]!r}; choose vision, kinematic or learned")
    clips = read_labelled_clips(labelled) if labelled else make_calibration_clips(prompts, seed)
    judged: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for name in judges:
        if name == "vision":
            for seen in _visions(settings, form):
                title = f"{seen.model}, {seen.frames.form}, {seen.question}"
                judged[title], answered = _ask_about_clips(clips, settings, seen, store)
                rows += [{"judge": title} | row for row in answered]
        else:
            judged[f"{name} judge"] = _judge_clips(clips, name, settings)
    for name, votes in judged.items():
        if name.endswith(" judge"):
            rows += [{"judge": name, "clip_id": clip_id, "score": score} for clip_id, ((score, _),) in votes.items()]
    results = {name: figures_of(clips, votes) for name, votes in judged.items()}
    if all(result["overall"]["n"] == 0 for result in results.values()):
        raise AtomError(f"no clip got a score: {next(row['error'] for row in rows if row.get('error'))}")
    differences = compare_judges(clips, judged)
    details = {
        "clips": f"{len(clips)} of {len({clip.prompt_id for clip in clips})} prompts",
        "from": str(labelled) if labelled else f"the procedural corpus, held-out compositions, seed {seed}",
        "levels of truth 1 to 5": "; ".join(
            f"{task}: {', '.join(map(str, counts))}" for task, counts in level_counts(clips).items()
        ),
        "tokens": f"{sum(row.get('tokens') or 0 for row in rows):,}",
    }
    _write_calibration(
        output,
        results,
        differences,
        rows,
        clips,
        render_calibration_page(results, details, differences),
        plot_calibration(results),
    )
    _tell_calibration(results)
    Console().print(f"report: {output / 'calibration.html'}", markup=False, soft_wrap=True)


def _visions(settings: RunConfig, forms: list[str] | None) -> list[Any]:
    from pydantic import ValidationError

    from atom.config import VisionConfig

    vision = settings.judging.vision
    try:
        return [
            VisionConfig.model_validate(vision.model_dump() | {"sight": vision.frames.model_dump() | {"form": form}})
            for form in forms or [vision.frames.form]
        ]
    except ValidationError as error:
        raise AtomError(f"--form {error.errors()[0]['input']!r}: choose frames, sheet or 'sheet and path'") from None


def _ask_about_clips(clips: Any, settings: RunConfig, vision: Any, root: str) -> tuple[dict[str, Any], list[Any]]:
    """The votes of a model on the clips, and a row for each with what it said and cost."""
    from atom.judging.vision.vision_calibration import ask_all, show
    from atom.progress_bars import StageProgressBars
    from storage import Store

    counts = {"drawn": 0, "asked": 0}
    with StageProgressBars(Console(stderr=True)) as bars:

        def drawn() -> None:
            counts["drawn"] += 1
            bars.update("clips drawn", counts["drawn"], len(clips), vision.frames.form)

        def asked() -> None:
            counts["asked"] += 1

        def told() -> None:
            bars.update("clips judged", counts["asked"], len(clips) * vision.votes, vision.model)

        shown = show(clips, vision.frames, Store(root), drawn)
        opinions = _asked(settings, root, lambda service: ask_all(service, shown, vision, asked), told)
        told()
    votes: dict[str, Any] = {}
    rows = []
    for clip_id, heard in opinions.items():
        votes[clip_id] = [
            (
                opinion.judgement and opinion.judgement.score,
                opinion.judgement.seen if opinion.judgement and vision.question == "events" else None,
            )
            for opinion in heard
        ]
        rows += [
            {
                "clip_id": clip_id,
                "score": opinion.judgement and opinion.judgement.score,
                "error": opinion.error,
                "tokens": sum(answer.tokens for answer in opinion.answers),
                "answers": [answer.raw for answer in opinion.answers],
            }
            for opinion in heard
        ]
    return votes, rows


def _judge_clips(clips: Any, name: str, settings: RunConfig) -> dict[str, Any]:
    from atom.judging.judges import make_judge

    judge = make_judge(name, settings.judging)
    found = {clip.clip_id: judge.judge(clip.joints, clip.asked, clip.task) for clip in clips}
    return {clip_id: [(judgement.score, judgement.seen)] for clip_id, judgement in found.items()}


def _write_calibration(
    output: Path, results: Any, differences: Any, rows: Any, clips: Any, page: str, plot: bytes
) -> None:
    import pandas as pd

    known = pd.DataFrame(
        [
            {
                "clip_id": clip.clip_id,
                "prompt_id": clip.prompt_id,
                "text": clip.text,
                "task": clip.task,
                "change": clip.change,
                "truth": clip.truth,
            }
            for clip in clips
        ]
    )
    try:
        output.mkdir(parents=True, exist_ok=True)
        (output / "calibration.html").write_text(page)
        (output / "calibration.png").write_bytes(plot)
        (output / "calibration.json").write_text(json.dumps({"judges": results, "differences": differences}, indent=2))
        pd.DataFrame(rows).merge(known, on="clip_id").to_parquet(output / "clips.parquet")
    except OSError as error:
        raise AtomError(f"can't write the calibration to {output}: {error.strerror}; choose another --output") from None


def _tell_calibration(results: Any) -> None:
    out = Console()
    for name, groups in results.items():
        figures = [
            figure
            for figure in groups["overall"]
            if isinstance(groups["overall"][figure], dict) and groups["overall"][figure]["value"] is not None
        ]
        table = Table("", *groups, box=None, title=name, title_justify="left")
        for figure in figures:
            tasks = [group[figure]["value"] for task, group in groups.items() if task != "overall"]
            table.add_row(
                figure.replace("_", " "),
                _in_brackets(groups["overall"][figure]),
                *("" if value is None else f"{value:.2f}" for value in tasks),
            )
        table.add_row("clips scored", *(str(group["n"]) for group in groups.values()))
        table.add_row("without a score", *(str(group["unscored"]) for group in groups.values()))
        out.print(table)


def _in_brackets(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return ""
    interval = figure["interval"]
    return f"{figure['value']:.2f}" + (f" \\[{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")


def _subject(joints: Any, settings: RunConfig, text: str, events: Any, task: Any) -> Any:
    from atom.judging.vision.frames import draw_pictures
    from atom.judging.vision.vision_judge import JudgeInput

    return JudgeInput(draw_pictures(joints, settings.judging.vision.frames, task), len(joints), text, events, task)


def _asked(settings: RunConfig, root: str, work: Any, every_second: Any = lambda: None) -> Any:
    """Runs `work` on the service of the config, with its answers in the store's journal."""
    from atom.llm_client.runtime import check_service, journal_path, read_api_key, run_with_client
    from storage import Store

    key = read_api_key(settings.service)
    models = [settings.judging.vision.model, settings.judging.vision.second_model]
    for remark in check_service(settings.service, [model for model in models if model], key):
        Console(stderr=True).print(remark, markup=False)
    journal = journal_path(settings.service, Store(root))
    return run_with_client(settings.service, key, journal, settings.name, work, every_second)
