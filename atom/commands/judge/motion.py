"""`atom judge motion`: score how well a motion follows a text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from atom.commands.completion import complete_from
from atom.commands.judge.options import (
    JUDGES,
    AnswerStoreOption,
    ConfigOption,
    MotionArgument,
    SetOption,
    TaskOption,
    TextArgument,
    check_task,
    join_choices,
    load_judge_config,
)
from atom.commands.judge.vision_service import ask_service, make_judge_input
from atom.commands.motion_source import FpsOption, UnitOption, UpOption, parse_settings, read_motion_with_remarks
from atom.commands.options import JsonOption
from atom.errors import AtomError

if TYPE_CHECKING:
    import numpy as np

    from atom.config import RunConfig
    from atom.judging.judged_prompt import JudgedPrompt
    from atom.judging.judgement import Judgement
    from atom.llm_client.request import Answer
    from atom.prompts.reading import ReadText


def judge_motion(
    motion: MotionArgument,
    text: TextArgument,
    task: TaskOption = "integrity",
    by: Annotated[
        str,
        typer.Option(
            help="kinematic or learned (known actions), vision (a vision-language model), auto (kinematic where it "
            "can, else vision) or retrieval (an evaluator)",
            autocompletion=complete_from(JUDGES),
        ),
    ] = "kinematic",
    config: ConfigOption = None,
    set_: SetOption = None,
    store: AnswerStoreOption = "store",
    as_json: JsonOption = False,
    fps: FpsOption = None,
    up: UpOption = None,
    unit: UnitOption = None,
) -> None:
    """Score how well a motion follows a text, 1 to 5, with the evidence for each event."""
    from atom.judging.judged_prompt import PlainPrompt
    from atom.prompts.reading import read_text

    check_task(task)
    if by not in JUDGES:
        raise AtomError(f"unknown judge {by!r}; choose {join_choices(JUDGES)}")
    settings = load_judge_config(config, set_)
    parsed = read_text(text)
    needs_events = by not in ("vision", "retrieval") or (
        by == "vision" and settings.judging.vision.question == "events"
    )
    if not parsed.events and needs_events:
        raise AtomError(f"cannot judge {text[:80]!r}: {'; '.join(parsed.remarks) or 'it describes no motion'}")
    prompt = PlainPrompt(text, parsed.events, task)
    joints = read_motion_with_remarks(motion, parse_settings(fps, up, unit))
    judgement, answers, judge = _judge(by, joints, prompt, settings, store)
    if as_json:
        print(json.dumps({"judge": judge} | _to_json(judgement, parsed, task, answers), default=float))
    else:
        _print_judgement(judgement, parsed, task)


def _judge(
    by: str, joints: np.ndarray, prompt: JudgedPrompt, settings: RunConfig, store: str
) -> tuple[Judgement, Sequence[Answer], str]:
    """The judgement, the answers of the model that was asked, if any, and the name of the judge that gave it.

    Raises AtomError where the judge can't judge the prompt or the model gives no usable answer.
    """
    from atom.judging.judges import make_judge

    if by != "vision":
        judge = make_judge("kinematic" if by == "auto" else by, settings)
        obstacle = judge.find_obstacle(prompt)
        if obstacle is None:
            return judge.judge(joints, prompt), [], "kinematic" if by == "auto" else by
        if by != "auto":
            remedy = "another evaluator (judging.retrieval) or" if by == "retrieval" else "use"
            raise AtomError(f"{obstacle}: {remedy} --by vision for a vision-language model")
    from atom.judging.vision.vision_judge import judge_motion as ask_about_motion

    vision = settings.judging.vision
    judge_input = make_judge_input(joints, settings, prompt)
    output = ask_service(settings, store, lambda service: ask_about_motion(service, judge_input, vision, vision.model))
    if output.judgement is None:
        raise AtomError(f"{vision.model} gave no usable answer: {output.error}")
    return output.judgement, output.answers, "vision"


def _to_json(judgement: Judgement, parsed: ReadText, task: str, answers: Sequence[Answer]) -> dict[str, Any]:
    return {
        "score": judgement.score,
        "exact": judgement.exact,
        "task": task,
        "asked": [event.to_dict() for event in parsed.events],
        "remarks": list(parsed.remarks),
        "seen": [vars(seen) for seen in judgement.detected],
        "rationale": judgement.rationale,
        "tokens": sum(answer.tokens for answer in answers),
        "answers": [json.loads(answer.raw) for answer in answers],
    }


def _print_judgement(judgement: Judgement, parsed: ReadText, task: str) -> None:
    out = Console()
    if judgement.verdicts:
        table = Table("event", "expected", "seen", "from", "to", box=None, title_justify="left")
        for event, verdict in zip(parsed.events, judgement.verdicts, strict=True):
            seen = f"{verdict.seen_count}x" if verdict.found else "no"
            start, end = (f"{verdict.start / 20:.1f} s", f"{verdict.end / 20:.1f} s") if verdict.found else ("", "")
            table.add_row(event.phrase or event.action, f"{event.count}x" if event.count else "", seen, start, end)
        out.print(table)
    out.print(f"[bold]{judgement.score:.1f} of 5[/] ({task}): ", end="")
    out.print(judgement.rationale, markup=False)
    for remark in parsed.remarks:
        out.print(remark, markup=False)
