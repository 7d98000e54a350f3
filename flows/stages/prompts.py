"""Stage `prompts`: event-level prompts of all tasks and splits, by the grammar or a language model."""

from __future__ import annotations

from typing import Any

from atom.config import RunConfig
from atom.prompts.grammar import write_prompts
from atom.prompts.seeds import read_seeds
from atom.prompts.writer import VERSION as WRITER_VERSION
from atom.prompts.writer import write_prompts_with_llm
from flows.progress import CountedProgress
from flows.services import run_requests
from flows.stages.shard import ShardResult, compute_or_reuse, requires_resource
from storage import PROMPTS, Recipe, Store


@requires_resource("service")
def make_prompts(root: str, config: RunConfig) -> ShardResult:
    """The prompts of all tasks and splits. A language model's drafts that fail a check stay as rows with the
    reason."""
    store = Store(root)
    if config.prompts.writer == "llm":
        return _make_prompts_with_llm(store, config)
    settings = config.prompts.model_dump(exclude={"writer", "llm"}) | {"seeds": read_seeds(config.prompts.seeds).digest}
    recipe = Recipe("prompts", 1, PROMPTS, config=settings, seed=config.seed)

    def compute(writer: Any) -> None:
        written = write_prompts(config.prompts, config.seed)
        writer.rows([prompt.to_dict() | {"rejected": None, "answer": None} for prompt in written])

    return compute_or_reuse(store, recipe, compute)


def _make_prompts_with_llm(store: Store, config: RunConfig) -> ShardResult:
    settings = config.prompts.model_dump() | {"seeds": read_seeds(config.prompts.seeds).digest}
    recipe = Recipe("prompts", 1, PROMPTS, config=settings | {"wording": WRITER_VERSION}, seed=config.seed)

    def compute(writer: Any) -> None:
        progress = CountedProgress("prompts written")
        written = run_requests(
            config,
            store,
            lambda service: write_prompts_with_llm(service, config.prompts, config.seed, progress.count),
            progress,
        )
        rows = [prompt.to_dict() | {"rejected": None, "answer": None} for prompt in written.prompts]
        for draft in written.rejected:
            rows.append(
                {
                    "prompt_id": draft.prompt_id,
                    "text": draft.text,
                    "task": draft.task,
                    "events": [event.to_dict() for event in draft.events],
                    "split": draft.split,
                    "source": config.prompts.llm.model,
                    "seed": config.seed,
                    "rejected": draft.reason,
                    "answer": draft.answer,
                }
            )
        writer.rows(rows)
        writer.stats = {"quarantined": len(written.rejected), "tokens": written.tokens, "cost": written.cost}

    return compute_or_reuse(store, recipe, compute)
