"""`atom judge calibrate`: how far each judge can be trusted, on clips whose events are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from atom.commands.completion import complete_from
from atom.commands.judge.options import (
    JUDGES,
    AnswerStoreOption,
    ConfigOption,
    SetOption,
    join_choices,
    load_judge_config,
)
from atom.commands.judge.vision_service import ask_service
from atom.errors import AtomError

if TYPE_CHECKING:
    from atom.config import RunConfig, VisionConfig
    from atom.judging.calibration import CalibrationClip


def calibrate(
    output: Annotated[Path, typer.Option("-o", "--output", help="the folder to write: report, figures and rows")],
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="vision (the default), kinematic, learned, auto or retrieval; may be repeated",
            autocompletion=complete_from(JUDGES),
        ),
    ] = None,
    form: Annotated[
        list[str] | None,
        typer.Option(
            help="what the model sees: frames, sheet or 'sheet and path'; may be repeated; default: the config's"
        ),
    ] = None,
    prompts: Annotated[int, typer.Option(min=1, help="number of prompts, with four clips each")] = 60,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    labelled: Annotated[
        Path | None, typer.Option(help="labelled clips of your own instead, as JSONL or Parquet")
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    store: AnswerStoreOption = "store",
) -> None:
    """Score clips with known events and report how far each judge, and each form of pictures, can be trusted."""
    from atom.judging.calibration import calibrate as calibrate_judge
    from atom.judging.calibration import compare_judges, level_counts, make_calibration_clips, read_labelled_clips
    from atom.report.calibration_page import plot_calibration, render_calibration_page

    settings = load_judge_config(config, set_)
    judges = by or ["vision"]
    if unknown := [name for name in judges if name not in JUDGES]:
        raise AtomError(f"unknown judge {unknown[0]!r}; choose {join_choices(JUDGES)}")
    clips = read_labelled_clips(labelled) if labelled else make_calibration_clips(prompts, seed)
    judged: dict[str, Any] = {}  # votes by judge and clip_id
    rows: list[dict[str, Any]] = []
    for name in judges:
        votes, judge_rows = ({}, []) if name == "vision" else _judge_clips(clips, name, settings)
        if name not in ("vision", "auto"):
            judged[f"{name} judge"] = votes
            rows += [{"judge": f"{name} judge"} | row for row in judge_rows]
            continue
        asked = [clip for clip in clips if clip.clip_id not in votes]
        for vision in _vision_configs(settings, form):
            title = f"{vision.model}, {vision.frames.form}, {vision.question}"
            if name == "auto":
                title = f"auto, {title}"
            answers, answer_rows = _ask_model(asked, settings, vision, store) if asked else ({}, [])
            judged[title] = votes | answers
            scored = [row for row in judge_rows if row["score"] is not None]
            rows += [{"judge": title} | row for row in (*scored, *answer_rows)]
    results = {name: calibrate_judge(clips, votes) for name, votes in judged.items()}
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
    _print_calibration(results)
    Console().print(f"report: {output / 'calibration.html'}", markup=False, soft_wrap=True)


def _vision_configs(settings: RunConfig, forms: list[str] | None) -> list[VisionConfig]:
    """The config's vision-language judge, once for each form of pictures."""
    from pydantic import ValidationError

    from atom.config import VisionConfig

    vision = settings.judging.vision
    try:
        return [
            VisionConfig.model_validate(vision.model_dump() | {"frames": vision.frames.model_dump() | {"form": form}})
            for form in forms or [vision.frames.form]
        ]
    except ValidationError as error:
        raise AtomError(f"--form {error.errors()[0]['input']!r}: choose frames, sheet or 'sheet and path'") from None


def _ask_model(
    clips: list[CalibrationClip], settings: RunConfig, vision: VisionConfig, root: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The votes of a model on the clips, and for each vote a row with the answer and its cost."""
    from atom.judging.vision.vision_calibration import draw_clips, judge_clips
    from atom.progress_bars import StageProgressBars
    from storage import Store

    clips_drawn = answers = 0
    with StageProgressBars(Console(stderr=True)) as bars:

        def on_drawn() -> None:
            nonlocal clips_drawn
            clips_drawn += 1
            bars.update("clips drawn", clips_drawn, len(clips), vision.frames.form)

        def on_answer() -> None:
            nonlocal answers
            answers += 1

        # `on_answer` runs in the service's thread, so only `ask_service` updates the bar.
        def show_progress() -> None:
            bars.update("clips judged", answers, len(clips) * vision.votes, vision.model)

        inputs = draw_clips(clips, vision.frames, Store(root), on_drawn)
        outputs = ask_service(
            settings, root, lambda service: judge_clips(service, inputs, vision, on_answer), show_progress
        )
        show_progress()
    votes: dict[str, Any] = {}
    rows = []
    for clip_id, clip_outputs in outputs.items():
        votes[clip_id] = [
            (
                output.judgement and output.judgement.score,
                output.judgement.detected if output.judgement and vision.question == "events" else None,
            )
            for output in clip_outputs
        ]
        rows += [
            {
                "clip_id": clip_id,
                "score": output.judgement and output.judgement.score,
                "error": output.error,
                "tokens": sum(answer.tokens for answer in output.answers),
                "answers": [answer.raw for answer in output.answers],
            }
            for output in clip_outputs
        ]
    return votes, rows


def _judge_clips(
    clips: list[CalibrationClip], name: str, settings: RunConfig
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The votes of a judge of joints on the clips that it can judge, and a row for each clip; `auto` is the kinematic
    judge."""
    from atom.judging.judges import make_judge

    judge = make_judge("kinematic" if name == "auto" else name, settings)
    votes: dict[str, Any] = {}
    rows = []
    for clip in clips:
        obstacle = judge.find_obstacle(clip.prompt)
        if obstacle is None:
            judgement = judge.judge(clip.joints, clip.prompt)
            detected = judgement.detected if judgement.exact is not None else None
            votes[clip.clip_id] = [(judgement.score, detected)]
        score = votes[clip.clip_id][0][0] if obstacle is None else None
        rows.append({"clip_id": clip.clip_id, "score": score, "error": obstacle and f"not judged: {obstacle}"})
    return votes, rows


def _write_calibration(
    output: Path,
    results: dict[str, Any],
    differences: list[dict[str, Any]],
    rows: list[dict[str, Any]],
    clips: list[CalibrationClip],
    page: str,
    plot: bytes,
) -> None:
    import pandas as pd

    truths = pd.DataFrame(
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
        pd.DataFrame(rows).merge(truths, on="clip_id").to_parquet(output / "clips.parquet")
    except OSError as error:
        raise AtomError(f"can't write the calibration to {output}: {error.strerror}; choose another --output") from None


def _print_calibration(results: dict[str, Any]) -> None:
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
                _format_with_interval(groups["overall"][figure]),
                *("" if value is None else f"{value:.2f}" for value in tasks),
            )
        table.add_row("clips scored", *(str(group["n"]) for group in groups.values()))
        table.add_row("without a score", *(str(group["unscored"]) for group in groups.values()))
        out.print(table)


def _format_with_interval(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return ""
    interval = figure["interval"]
    return f"{figure['value']:.2f}" + (f" \\[{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")
