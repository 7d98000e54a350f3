"""Stage `prompts`: event-level prompts of all tasks and splits, from the grammar, a language model or captions."""

from __future__ import annotations

from typing import Any

from atom.config import RunConfig
from atom.prompts.dataset_prompts import (
    SOURCE,
    RejectedCaption,
    find_unread_captions,
    hash_captions,
    load_captions,
    select_captions,
)
from atom.prompts.grammar import write_prompts
from atom.prompts.llm_reading import reader_settings
from atom.prompts.reading import VERSION as READER_VERSION
from atom.prompts.seeds import read_seeds
from atom.prompts.writer import VERSION as WRITER_VERSION
from atom.prompts.writer import RejectedText, write_prompts_with_llm
from flows.progress import CountedProgress
from flows.services import read_captions, run_requests
from flows.stages.shard import ShardResult, compute_or_reuse, requires_resource
from storage import PROMPTS, Recipe, Store

# Settings of captions, which other prompts don't depend on.
_CAPTION_FIELDS = {"captions", "reader", "reader_model"}


@requires_resource("service")
def make_prompts(root: str, config: RunConfig) -> ShardResult:
    """The prompts of all tasks and splits. A language model's drafts that fail a check and captions that can't be used
    stay as rows with the reason."""
    store = Store(root)
    if config.prompts.writer == "llm":
        return _make_prompts_with_llm(store, config)
    if config.prompts.writer == "captions":
        return _make_prompts_of_captions(store, config)
    settings = config.prompts.model_dump(exclude={"writer", "llm", *_CAPTION_FIELDS}) | {
        "seeds": read_seeds(config.prompts.seeds).digest
    }
    recipe = Recipe("prompts", 1, PROMPTS, config=settings, seed=config.seed)

    def compute(writer: Any) -> None:
        written = write_prompts(config.prompts, config.seed)
        writer.rows([prompt.to_dict() | {"rejected": None, "answer": None} for prompt in written])

    return compute_or_reuse(store, recipe, compute)


def _make_prompts_with_llm(store: Store, config: RunConfig) -> ShardResult:
    settings = config.prompts.model_dump(exclude=_CAPTION_FIELDS) | {"seeds": read_seeds(config.prompts.seeds).digest}
    versions = {"wording": WRITER_VERSION, "reading": READER_VERSION}
    recipe = Recipe("prompts", 1, PROMPTS, config=settings | versions, seed=config.seed)

    def compute(writer: Any) -> None:
        progress = CountedProgress("prompts written")
        written = run_requests(
            config,
            store,
            lambda service: write_prompts_with_llm(service, config.prompts, config.seed, progress.count),
            progress,
        )
        rows = [prompt.to_dict() | {"rejected": None, "answer": None} for prompt in written.prompts]
        rows += [
            _rejected_row(draft, config.prompts.llm.model, config.seed, draft.answer) for draft in written.rejected
        ]
        writer.rows(rows)
        writer.stats = {"quarantined": len(written.rejected), "tokens": written.tokens, "cost": written.cost}

    return compute_or_reuse(store, recipe, compute)


def _make_prompts_of_captions(store: Store, config: RunConfig) -> ShardResult:
    captions = load_captions(config.prompts.captions or "")
    settings = config.prompts.model_dump(include={"tasks", "train_per_task", "test_per_task"})
    settings |= {"captions": hash_captions(captions), "reading": READER_VERSION} | reader_settings(config.prompts)
    recipe = Recipe("prompts", 1, PROMPTS, config=settings, seed=config.seed)

    def compute(writer: Any) -> None:
        unread = find_unread_captions(captions)
        word_classes = {row.text: row.word_classes for row in unread if row.word_classes}
        reading = read_captions(config, store, [row.text for row in unread], word_classes)
        read_texts = {row.text: read for row, read in zip(unread, reading.texts, strict=True)}
        selected = select_captions(captions, read_texts, config.prompts, config.seed)
        rows = [prompt.to_dict() | {"rejected": None, "answer": None} for prompt in selected.prompts]
        writer.rows([*rows, *(_rejected_row(caption, SOURCE, config.seed) for caption in selected.rejected)])
        writer.stats = {
            "quarantined": len(selected.rejected),
            "not_drawn": selected.not_drawn,
            "validation": selected.validation,
        } | reading.stats

    return compute_or_reuse(store, recipe, compute)


def _rejected_row(
    rejected: RejectedText | RejectedCaption, source: str, seed: int, answer: str | None = None
) -> dict[str, Any]:
    return {
        "prompt_id": rejected.prompt_id,
        "text": rejected.text,
        "task": rejected.task,
        "events": [event.to_dict() for event in rejected.events],
        "split": rejected.split,
        "source": source,
        "seed": seed,
        "rejected": rejected.reason,
        "answer": answer,
    }
