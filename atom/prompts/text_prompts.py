"""Prompts from texts of one's own."""

from __future__ import annotations

from collections.abc import Iterable

from atom.errors import AtomError
from atom.events import Split
from atom.prompts.grammar import Prompt, prompt_id
from atom.prompts.reading import read_text


def make_prompts(texts: Iterable[str], split: Split = "train") -> list[Prompt]:
    """Makes prompts from texts, whose events are read offline.

    Args:
        texts: one sentence each; a repeated text makes one prompt.
        split: the split of all prompts. Judges and pairs don't depend on it.

    Returns:
        The prompts, in the order of the texts. The task of each follows from its events, see `atom.events.infer_task`.

    Raises:
        AtomError: a text describes no motion; says why.
    """
    prompts = []
    for text in dict.fromkeys(texts):
        read = read_text(text)
        if not read.events:
            reason = "; ".join(read.remarks) or "no motion is described"
            raise AtomError(f"{text[:80]!r} has no events ({reason}); describe what the person does")
        prompts.append(Prompt(prompt_id(text, read.task, read.events), text, read.task, read.events, split, 0, "text"))
    return prompts
