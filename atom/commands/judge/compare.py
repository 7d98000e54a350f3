"""`atom judge compare`: which of two motions follows a text better."""

from __future__ import annotations

import json

from rich.console import Console

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
from atom.commands.motion_source import FpsOption, UnitOption, UpOption, parse_settings, read_motion_with_remarks
from atom.commands.options import JsonOption


def compare(
    first: MotionArgument,
    second: MotionArgument,
    text: TextArgument,
    task: TaskOption = "integrity",
    config: ConfigOption = None,
    set_: SetOption = None,
    store: AnswerStoreOption = "store",
    as_json: JsonOption = False,
    fps: FpsOption = None,
    up: UpOption = None,
    unit: UnitOption = None,
) -> None:
    """Ask a vision-language model which of two motions follows a text better, in both orders."""
    from atom.judging.judged_prompt import PlainPrompt
    from atom.judging.vision.vision_judge import compare_motions
    from atom.llm_client.runtime import gather_settled
    from atom.preferences.pairs import find_decided_pairs

    check_task(task)
    settings = load_judge_config(config, set_)
    vision, source = settings.judging.vision, parse_settings(fps, up, unit)
    first_input, second_input = (
        make_judge_input(read_motion_with_remarks(path, source), settings, PlainPrompt(text, (), task))
        for path in (first, second)
    )
    # A model may prefer the motion in one position, so it is asked in both orders.
    orders = {("first", "second"): (first_input, second_input), ("second", "first"): (second_input, first_input)}
    comparisons = ask_service(
        settings,
        store,
        lambda service: gather_settled(
            [compare_motions(service, *inputs, vision, vision.model) for inputs in orders.values()]
        ),
    )
    rows = [
        {
            "first_motion_id": order[0],
            "second_motion_id": order[1],
            "better": comparison.better,
            "rationale": comparison.rationale,
            "error": comparison.error,
        }
        for order, comparison in zip(orders, comparisons)
    ]
    decided = find_decided_pairs(rows).get(("first", "second"))
    if as_json:
        print(json.dumps({"better": decided, "orders": rows}))
        return
    out = Console()
    paths = {"first": str(first), "second": str(second)}
    for row in rows:
        better = {"first": row["first_motion_id"], "second": row["second_motion_id"]}.get(row["better"], "neither")
        out.print(
            f"shown first: {paths[row['first_motion_id']]}; better: {paths.get(better, better)}. "
            f"{row['error'] or row['rationale']}",
            markup=False,
        )
    out.print(
        f"better in both orders: {paths[decided]}" if decided else "no decision: the two orders disagree", markup=False
    )
