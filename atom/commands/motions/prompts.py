"""`atom motions prompts`: the prompts of the grammar or of captions as a file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from atom.commands.files import write_text
from atom.errors import AtomError

if TYPE_CHECKING:
    from atom.config import PromptConfig
    from atom.prompts.dataset_prompts import DatasetPrompts


def prompts(
    output: Annotated[Path, typer.Argument(help="the .jsonl to write")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="a field of the config's prompts, e.g. --set prompts.train_per_task=40"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="a run with the same seed and settings has the same prompts")] = 0,
) -> None:
    """Write event-level prompts, for which your own generator can make motions: the grammar's, or captions of yours.

    atom motions prompts prompts.jsonl --set writer=captions --set captions=HumanML3D
    """
    from atom.config import PromptConfig, load_section
    from atom.prompts.grammar import write_prompts

    config = load_section(PromptConfig, [override.removeprefix("prompts.") for override in set_ or []])
    if config.writer == "llm" or config.reader == "llm":
        raise AtomError(
            "prompts that a language model writes or reads are in the store of a run: set writer to grammar or "
            "captions, and reader to offline"
        )
    rejected = 0
    if config.writer == "captions":
        selected = _select_captions(config, seed)
        written, rejected = selected.prompts, len(selected.rejected)
    else:
        written = write_prompts(config, seed)
    columns = ("prompt_id", "text", "task", "events", "split")
    lines = [json.dumps({name: prompt.to_dict()[name] for name in columns}) + "\n" for prompt in written]
    write_text(output, "".join(lines))
    splits = Counter(prompt.split for prompt in written)
    counts = ", ".join(f"{number} {split}" for split, number in splits.items())
    left_out = f"; {rejected:,} captions are set aside" if rejected else ""
    Console().print(f"{output}: {len(written)} prompts, {counts}{left_out}", soft_wrap=True, markup=False)


def _select_captions(config: PromptConfig, seed: int) -> DatasetPrompts:
    from atom.prompts.dataset_prompts import find_unread_captions, load_captions, select_captions
    from atom.prompts.reading import read_text

    captions = load_captions(config.captions or "")
    read_texts = {row.text: read_text(row.text, row.word_classes) for row in find_unread_captions(captions)}
    return select_captions(captions, read_texts, config, seed)
