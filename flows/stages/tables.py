"""Rows that several stages read from the artifacts of earlier ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atom.events import Event
from atom.judging.judged_prompt import PlainPrompt
from storage import ArtifactRef, Store


def read_rows(store: Store, ref: ArtifactRef) -> list[dict[str, Any]]:
    return store.read(ref).to_pylist()


def read_prompts(
    store: Store, ref: ArtifactRef, split: str, start: int = 0, stop: int | None = None
) -> list[dict[str, Any]]:
    """Reads the accepted prompts of a split in the order of the shards: tasks take turns, so that shards are alike.

    Args:
        store: the artifact store.
        ref: the prompts.
        split: "train" or "test".
        start: place of the first prompt.
        stop: place after the last prompt; None for all that follow.

    Returns:
        A row a prompt.
    """
    table = store.read(ref)
    table = table.filter(pc.and_(pc.equal(table["split"], split), pc.is_null(table["rejected"])))
    tasks = table["task"].to_numpy()
    places = np.empty(len(tasks), np.int64)
    for task in set(tasks):
        places[tasks == task] = np.arange(np.sum(tasks == task))
    # Only the rows of this shard become Python objects: every shard of a large run reads the whole table.
    return table.take(np.argsort(places, kind="stable")[start:stop]).to_pylist()


def read_prompts_by_id(store: Store, ref: ArtifactRef, prompt_ids: pa.ChunkedArray) -> dict[str, dict[str, Any]]:
    """The prompts with these ids, such as the `prompt_id` column of motions or scores, by their id."""
    table = store.read(ref)
    rows = table.filter(pc.is_in(table["prompt_id"], prompt_ids.combine_chunks())).to_pylist()
    return {row["prompt_id"]: row for row in rows}


def iterate_motions(motions: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows of a motions table, with `joints` as arrays (T, 22, 3) in metres that share the table's memory."""
    # As Python floats the joints would need ten times the memory, and most of the time.
    joints = motions["joints"].combine_chunks()
    flat, ends = joints.values.to_numpy(), joints.offsets.to_numpy()
    for row, start, end in zip(motions.drop_columns("joints").to_pylist(), ends, ends[1:]):
        yield row | {"joints": flat[start:end].reshape(-1, 22, 3)}


def motion_joints(motion: dict[str, Any]) -> np.ndarray:
    return np.asarray(motion["joints"], np.float32).reshape(-1, 22, 3)


def prompt_events(prompt: dict[str, Any]) -> tuple[Event, ...]:
    return tuple(Event.from_dict(row) for row in prompt["events"])


def to_judged_prompt(prompt: dict[str, Any]) -> PlainPrompt:
    """What a judge needs of a row of the prompts table."""
    return PlainPrompt(prompt["text"], prompt_events(prompt), prompt["task"])


def artifact_keys(refs: Sequence[ArtifactRef]) -> list[str]:
    return [ref.key for ref in refs]
