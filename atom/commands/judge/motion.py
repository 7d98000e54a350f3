"""`atom judge motion`: score how well a motion follows a text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from atom.commands.judge.options import (
    AnswerStoreOption,
    ConfigOption,
    MotionArgument,
    SetOption,
    TaskOption,
    TextArgument,
    check_task,
    load_judge_config,
)
from atom.commands.judge.vision_service import ask_service, make_judge_input
from atom.commands.options import JsonOption
from atom.errors import AtomError

if TYPE_CHECKING:
    from atom.judging.judgement import Judgement
    from atom.llm_client.request import Answer
    from atom.prompts.reading import ReadText


def judge_motion(
    motion: MotionArgument,
    text: TextArgument,
    task: TaskOption = "integrity",
    by: Annotated[str, typer.Option(help="kinematic, or vision (a vision-language model)")] = "kinematic",
    config: ConfigOption = None,
    set_: SetOption = None,
    store: AnswerStoreOption = "store",
    as_json: JsonOption = False,
) -> None:
    """Score how well a motion follows a text, 1 to 5, with the evidence for each event."""
    from atom.judging.judges import find_unjudgeable_actions
    from atom.judging.kinematic_judge import KinematicJudge
    from atom.motion.motion_files import read_motion
    from atom.prompts.reading import read_text

    check_task(task)
    if by not in ("kinematic", "vision"):
        raise AtomError(f"unknown judge {by!r}; choose kinematic or vision")
    settings = load_judge_config(config, set_)
    parsed = read_text(text)
    if not parsed.events and (by == "kinematic" or settings.judging.vision.question == "events"):
        raise AtomError(f"cannot judge {text[:80]!r}: {'; '.join(parsed.remarks) or 'it describes no motion'}")
    if by == "kinematic" and (open_actions := find_unjudgeable_actions(parsed.events)):
        raise AtomError(
            f"the kinematic judge can't see {', '.join(open_actions)}: use --by vision for a vision-language model"
        )
    joints = read_motion(motion)
    if by == "kinematic":
        judgement, answers = KinematicJudge(settings.judging).judge(joints, parsed.events, task), []
    else:
        from atom.judging.vision.vision_judge import judge_motion as ask_about_motion

        vision = settings.judging.vision
        judge_input = make_judge_input(joints, settings, text, parsed.events, task)
        output = ask_service(
            settings, store, lambda service: ask_about_motion(service, judge_input, vision, vision.model)
        )
        if output.judgement is None:
            raise AtomError(f"{vision.model} gave no usable answer: {output.error}")
        judgement, answers = output.judgement, output.answers
    if as_json:
        print(json.dumps(_to_json(judgement, parsed, task, answers), default=float))
    else:
        _print_judgement(judgement, parsed, task)


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
