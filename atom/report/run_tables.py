"""What a run made, found through its record: prompts, motions, scores, pairs, evaluation, curves."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from atom.errors import AtomError
from atom.judging.votes import aggregate_votes
from storage import ArtifactRef, Manifest, Store

Row = dict[str, Any]
_SHARDS_KEPT = 8  # of motions, each of some megabytes


class RunTables:
    """The tables of one run. What the run did not make is empty.

    `record` is as `Store.run` gives it. Raises AtomError where the record is of a version that did not say where the
    artifacts lie, StoreError where one of them is gone.
    """

    def __init__(self, store: Store, record: Mapping[str, Any]) -> None:
        self.store, self.record = store, record
        self.run_id: str = record["run_id"]
        self._shard = lru_cache(_SHARDS_KEPT)(self._read_shard)
        self._sound: dict[tuple[str, ...], list[ArtifactRef]] = {}  # each artifact is verified once

    def refs(self, name: str) -> list[ArtifactRef]:
        """The artifacts of the stage that the record calls `name`, such as "test motions base"."""
        return [ref for stage in self.record["stages"] if stage["name"] == name for ref in self._refs_of(stage)]

    def names(self, start: str) -> list[str]:
        """The names of the stages of the record that begin with `start`, in the order of the run."""
        return [stage["name"] for stage in self.record["stages"] if stage["name"].startswith(start)]

    def rounds(self, name: str) -> list[str]:
        """`name` and `name round 2` and so on: baselines put their own name in between."""
        return [found for found in self.names(name) if found == name or found.startswith(f"{name} round ")]

    @cached_property
    def prompts(self) -> dict[str, Row]:
        """Rows of the prompts table by prompt_id, without the rejected ones; those of imported candidates too."""
        rows = self._rows("prompts") + self._rows("imported prompts")
        return {row["prompt_id"]: row for row in rows if row["rejected"] is None}

    @cached_property
    def training_prompts(self) -> list[Row]:
        """The training prompts for which there were to be candidates."""
        rows = self._rows("imported prompts") or self._rows("prompts")
        return [row for row in rows if row["rejected"] is None and row["split"] == "train"]

    @cached_property
    def evaluation(self) -> pd.DataFrame:
        """A row a test motion, arm and judge."""
        return pd.DataFrame(self._rows("evaluation"))

    @cached_property
    def metrics(self) -> list[Row]:
        """The text-to-motion metrics, a row an arm and metric."""
        return self._rows("metrics")

    @cached_property
    def preferences(self) -> list[Row]:
        """The pairs of all rounds; not those of baselines."""
        return [row for name in self.rounds("preferences") for row in self._rows(name)]

    @cached_property
    def scores(self) -> dict[tuple[str, str], Row]:
        """The one score of each motion by each judge, by (motion_id, judge), for candidates and test motions."""
        return aggregate_votes(self.score_rows)

    @cached_property
    def score_rows(self) -> list[Row]:
        """A row a vote of a judge on a candidate or test motion."""
        names = [*self.rounds("scores"), *self.names("test scores ")]
        return [row for name in names for row in self._rows(name)]

    @cached_property
    def motions(self) -> pd.DataFrame:
        """A row a motion, indexed by motion_id: prompt_id, sample, seed, frames, and the stage's name."""
        tables = []
        for name in self._motion_stages():
            for ref in self.refs(name):
                columns = ["motion_id", "prompt_id", "sample", "seed", "frames"]
                tables.append(self.store.read(ref, columns=columns).to_pandas().assign(stage=name))
        columns = ["motion_id", "prompt_id", "sample", "seed", "frames", "stage"]
        table = pd.concat(tables) if tables else pd.DataFrame(columns=columns)
        return table.drop_duplicates("motion_id").set_index("motion_id")

    def joints(self, motion_id: str) -> np.ndarray:
        """The joints (T, 22, 3) of a motion in metres, Y up, 20 fps. AtomError when the run has no such motion."""
        try:
            ref = self._places[motion_id]
        except KeyError:
            raise AtomError(f"run {self.run_id} has no motion {motion_id!r}") from None
        table = self._shard(ref)
        joints = table["joints"][pc.index(table["motion_id"], motion_id).as_py()].values
        return joints.to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, 22, 3)

    @cached_property
    def tokens(self) -> dict[str, list[int]]:
        """The codebook entries of each motion, empty where its generator has no codebook."""
        tables = (self.store.read(ref, columns=["motion_id", "tokens"]) for ref in self._motion_refs())
        return {row["motion_id"]: row["tokens"] for table in tables for row in table.to_pylist()}

    def curves(self) -> list[Row]:
        """The tuning curves of all rounds, their steps numbered on; not those of baselines."""
        rows: list[Row] = []
        for name in self.rounds("adapter"):
            done = rows[-1]["step"] if rows else 0
            rows += [row | {"step": row["step"] + done} for row in self._rows(name)]
        return rows

    def rewards(self) -> list[Row]:
        """The curve of the on-policy tuning."""
        return self._rows("on-policy adapter")

    @property
    def adapter(self) -> ArtifactRef | None:
        """The adapter that the run ended with, that of no baseline."""
        made = [ref for name in [*self.rounds("adapter"), *self.names("on-policy adapter")] for ref in self.refs(name)]
        return made[-1] if made else None

    def manifests(self) -> dict[str, list[Manifest]]:
        """The manifests of each stage's artifacts, by the name of the stage."""
        return {
            stage["name"]: [self.store.manifest(ref.stage, ref.key) for ref in self._refs_of(stage)]
            for stage in self.record["stages"]
        }

    @cached_property
    def _places(self) -> dict[str, ArtifactRef]:
        return {
            motion_id: ref
            for ref in self._motion_refs()
            for motion_id in self.store.read(ref, columns=["motion_id"])["motion_id"].to_pylist()
        }

    def _motion_stages(self) -> list[str]:
        return [*self.rounds("motions"), *self.names("test motions ")]

    def _motion_refs(self) -> list[ArtifactRef]:
        return [ref for name in self._motion_stages() for ref in self.refs(name)]

    def _read_shard(self, ref: ArtifactRef) -> pa.Table:
        return self.store.read(ref, columns=["motion_id", "joints"])

    def _rows(self, name: str) -> list[Row]:
        return [row for ref in self.refs(name) for row in self.store.read(ref).to_pylist()]

    def _refs_of(self, stage: Mapping[str, Any]) -> list[ArtifactRef]:
        if "stored" not in stage:
            raise AtomError(
                f"the record of run {self.run_id} does not say where its artifacts lie: an older version wrote it; "
                f"{self._remedy()} writes a new one and finds again what is in the store"
            )
        place = (stage["name"], *stage["keys"])
        if place in self._sound:
            return self._sound[place]
        refs = [self.store.find(stage["stored"], key) for key in stage["keys"]]
        if None in refs:
            raise AtomError(
                f"{refs.count(None)} artifacts of {stage['name']} of run {self.run_id} are gone or damaged; "
                f"{self._remedy()} makes them again"
            )
        return self._sound.setdefault(place, refs)

    def _remedy(self) -> str:
        """A completed run can't be taken up again."""
        over = self.record.get("state") == "completed"
        return "`atom run` with the same config" if over else f"`atom run --resume {self.run_id}`"
