"""The artifact store beside bare Parquet: writing and reading a shard of motions, opening a run of a thousand parts."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measuring import Figure, in_turn, main

from atom.corpus.composition import make_motion
from atom.events import Event
from atom.report.run_tables import RunTables
from storage import MOTIONS, SCORES, ArtifactRef, Recipe, Store

SHARD = 400  # motions: 40 prompts of 10 candidates
PARTS, ROWS = 1000, 40  # of the run that is opened: artifacts, and scores in each
ACTIONS = ("jump_up", "punch_left", "jump_forward")


def motions() -> pa.Table:
    """A shard of motions as the generator makes them."""
    rows = []
    for number in range(SHARD):
        draw = np.random.default_rng(number)
        events = [Event(str(action), int(draw.integers(1, 4))) for action in draw.choice(ACTIONS, 2)]
        joints = make_motion(events, draw).joints[:196]
        prompt = f"temporal-{number // 10:05d}"
        prompt = f"temporal-{number // 10:05d}"
        rows.append(
            {
                "motion_id": f"{number:012x}-{prompt}-{number % 10}",
                "prompt_id": prompt,
                "sample": number % 10,
                "seed": int(draw.integers(2**62)),
                "frames": len(joints),
                "joints": joints,
                "tokens": draw.integers(0, 512, len(joints) // 4).tolist(),
                "stop_reason": "end",
            }
        )
    return MOTIONS.from_rows(rows)


def write_plainly(table: pa.Table, path: Path) -> None:
    """Bare pyarrow, with the same compression and encodings: no checksum, no manifest, nothing waits for the disk."""
    pq.write_table(table, path, **MOTIONS.encoding)


def write_lastingly(table: pa.Table, path: Path) -> None:
    """The same, and what no store can do without that notices changed bytes and outlives a power cut."""
    write_plainly(table, path)
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
        os.fsync(file.fileno())


def read_plainly(path: Path) -> pa.Table:
    """Bare pyarrow, which believes every byte."""
    return pq.read_table(path)


def scores(number: int) -> list[dict[str, Any]]:
    return [
        {
            "motion_id": f"{number:012x}-{row}",
            "prompt_id": f"temporal-{row:05d}",
            "task": "temporal",
            "judge": "kinematic",
            "vote": 0,
            "score": 1.0 + row % 5,
            "exact": row % 5 == 4,
            "rationale": "it jumps twice and waves once",
            "events": [{"action": "jump_up", "count": 2, "start": 4, "end": 60, "confidence": 0.5}],
            "verdicts": [{"action": "jump_up", "count": 2, "found": True, "seen_count": 2, "start": 4, "end": 60}],
            "model": None,
            "answers": [],
            "tokens": 0,
            "cost": 0.0,
            "latency": 0.0,
            "error": None,
        }
        for row in range(ROWS)
    ]


def run_of_many_parts(store: Store) -> None:
    """The record of a run whose scores are a thousand artifacts, and these."""
    refs = []
    for number in range(PARTS):
        with store.write(Recipe("scores", 1, SCORES, config={"part": number})) as writer:
            writer.rows(scores(number))
        refs.append(writer.ref)
    stage = {"name": "scores", "stored": "scores", "keys": [ref.key for ref in refs], "shards": PARTS, "reused": 0}
    store.save_run("many", {"state": "completed", "config": {}, "stages": [stage]})


def open_run(root: str) -> np.ndarray:
    """The scores of a run by its record, as `atom show` and the report come to them."""
    store = Store(root)
    tables = RunTables(store, store.run("latest"))
    parts = [store.read(ref, columns=["score"])["score"] for ref in tables.refs("scores")]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks]).to_numpy()


def open_plainly(paths: list[Path]) -> np.ndarray:
    """Bare pyarrow on a list of files, as a training script reads shards; what is in them is not checked."""
    return pa.concat_tables(pq.read_table(path, columns=["score"]) for path in paths)["score"].to_numpy()


def measure(device: str) -> Iterator[Figure]:
    table = motions()
    with tempfile.TemporaryDirectory(prefix="atom-bench-") as folder:
        root, path = f"{folder}/store", Path(folder) / "plain.parquet"
        store, number = Store(root), 0

        def write() -> ArtifactRef:
            nonlocal number
            number += 1
            with store.write(Recipe("motions", 1, MOTIONS, config={"number": number})) as writer:
                writer.table(table)
            return writer.ref

        ref = write()
        write_plainly(table, path)
        assert store.read(ref).equals(read_plainly(path))
        size = table.nbytes / 1e6
        ours, plain, lasting = in_turn(write, lambda: write_plainly(table, path), lambda: write_lastingly(table, path))
        yield Figure(
            "writing a shard of motions",
            "MB/s",
            size / ours,
            size / plain,
            "pyarrow.parquet.write_table, same encoding",
            0.7,
            limit=size / lasting,
            limit_by="the same, its sha256, and waiting for the disk once",
        )
        data = path.read_bytes()
        ours, plain, hashing = in_turn(
            lambda: store.read(ref), lambda: read_plainly(path), lambda: hashlib.sha256(data).digest()
        )
        yield Figure(
            "reading a shard of motions",
            "MB/s",
            size / ours,
            size / plain,
            "pyarrow.parquet.read_table",
            0.7,
            limit=size / (plain + hashing),
            limit_by="bare Parquet and the sha256 of its bytes",
        )
        run_of_many_parts(store)
        paths = sorted(Path(root).glob("scores/*/part-*.parquet"))
        assert sorted(open_run(root)) == sorted(open_plainly(paths))
        ours, plain = in_turn(lambda: open_run(root), lambda: open_plainly(paths))
        yield Figure(
            f"opening a run of {PARTS:,} parts",
            "runs/s",
            1 / ours,
            wanted=1 / 0.5,
            limit=1 / plain,
            limit_by="the same column by bare pyarrow, unchecked",
        )


if __name__ == "__main__":
    main(measure, __doc__)
