"""`atom motions prompts`: the prompts of the grammar as a file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from atom.commands.files import write_text
from atom.errors import AtomError


def prompts(
    output: Annotated[Path, typer.Argument(help="the .jsonl to write")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="a field of the config's prompts, e.g. --set prompts.train_per_task=40"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="a run with the same seed and settings has the same prompts")] = 0,
) -> None:
    """Write event-level prompts of the grammar, for which your own generator can make motions."""
    from atom.config import PromptConfig, load_section
    from atom.prompts.grammar import write_prompts

    config = load_section(PromptConfig, [override.removeprefix("prompts.") for override in set_ or []])
    if config.writer != "grammar":
        raise AtomError(
            "only the grammar's prompts can be written to a file; a language model's prompts are in the store of a run"
        )
    written = write_prompts(config, seed)
    columns = ("prompt_id", "text", "task", "events", "split")
    lines = [json.dumps({name: prompt.to_dict()[name] for name in columns}) + "\n" for prompt in written]
    write_text(output, "".join(lines))
    splits = Counter(prompt.split for prompt in written)
    counts = ", ".join(f"{number} {split}" for split, number in splits.items())
    Console().print(f"{output}: {len(written)} prompts, {counts}", soft_wrap=True, markup=False)
