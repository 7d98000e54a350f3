"""The tables of a run, found through its record: prompts, motions, scores, pairs, evaluation, curves."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from atom.errors import AtomError
from atom.judging.coverage import JudgeCoverage, count_coverage
from atom.judging.votes import aggregate_votes
from storage import ArtifactRef, Manifest, Store

Row = dict[str, Any]
_CACHED_SHARDS = 8  # of motions; each takes some megabytes


class RunTables:
    """The tables of one run. Tables that the run did not compute are empty.

    Reading a table raises AtomError where the record does not name the artifacts, as those of old versions, or where an
    artifact is missing or damaged; StoreError where the store can't be read.

    Args:
        store: the store that holds the run.
        record: the run's record, from `Store.run`.
    """

    def __init__(self, store: Store, record: Mapping[str, Any]) -> None:
        self.store, self.record = store, record
        self.run_id: str = record["run_id"]
        self._shard = lru_cache(_CACHED_SHARDS)(self._read_shard)
        self._verified: dict[tuple[str, ...], list[ArtifactRef]] = {}  # so that each artifact is verified once

    def refs(self, name: str) -> list[ArtifactRef]:
        """The artifacts of a stage by its name in the record, such as "test motions base"."""
        return [ref for stage in self.record["stages"] if stage["name"] == name for ref in self._refs_of(stage)]

    def stage_names(self, prefix: str) -> list[str]:
        """The names of the stages that start with `prefix`, in the order of the run."""
        return [stage["name"] for stage in self.record["stages"] if stage["name"].startswith(prefix)]

    def round_names(self, name: str) -> list[str]:
        """The stage's names in all rounds: `name`, `name round 2`, ... Stages of baselines, such as `name sft`, are
        left out."""
        return [stage for stage in self.stage_names(name) if stage == name or stage.startswith(f"{name} round ")]

    @cached_property
    def prompts(self) -> dict[str, Row]:
        """The prompts by prompt_id, with those of external candidates, without rejected ones."""
        rows = self._rows("prompts") + self._rows("imported prompts")
        return {row["prompt_id"]: row for row in rows if row["rejected"] is None}

    @cached_property
    def training_prompts(self) -> list[Row]:
        """The training prompts for which the run needs candidates."""
        rows = self._rows("imported prompts") or self._rows("prompts")
        return [row for row in rows if row["rejected"] is None and row["split"] == "train"]

    @cached_property
    def evaluation(self) -> pd.DataFrame:
        """One row per test motion, arm and judge, with the number of its prompt's `events`."""
        rows = pd.DataFrame(self._rows("evaluation"))
        if rows.empty:
            return rows
        numbers = {prompt_id: len(prompt["events"]) for prompt_id, prompt in self.prompts.items()}
        return rows.assign(events=rows["prompt_id"].map(numbers))

    @cached_property
    def metrics(self) -> list[Row]:
        """The text-to-motion metrics, one row per arm and metric."""
        return self._rows("metrics")

    @cached_property
    def preferences(self) -> list[Row]:
        """The pairs of all rounds, without those of baselines."""
        return [row for name in self.round_names("preferences") for row in self._rows(name)]

    @cached_property
    def scores(self) -> dict[tuple[str, str], Row]:
        """The aggregated score of each candidate and test motion, by (motion_id, judge)."""
        return aggregate_votes(self.score_rows)

    @cached_property
    def score_rows(self) -> list[Row]:
        """One row per vote of a judge on a candidate or test motion."""
        return [row for name in self._score_stages() for row in self._rows(name)]

    @cached_property
    def coverage(self) -> list[JudgeCoverage]:
        """What each judge scored of the candidates and the test motions."""
        columns = ["motion_id", "judge", "score", "exact", "model", "error"]
        refs = [ref for name in self._score_stages() for ref in self.refs(name)]
        return count_coverage(self.store.read(ref, columns=columns).to_pylist() for ref in refs)

    @cached_property
    def motions(self) -> pd.DataFrame:
        """One row per motion, indexed by motion_id: prompt_id, sample, seed, frames and the name of its stage."""
        tables = []
        for name in self._motion_stages():
            for ref in self.refs(name):
                columns = ["motion_id", "prompt_id", "sample", "seed", "frames"]
                tables.append(self.store.read(ref, columns=columns).to_pandas().assign(stage=name))
        columns = ["motion_id", "prompt_id", "sample", "seed", "frames", "stage"]
        table = pd.concat(tables) if tables else pd.DataFrame(columns=columns)
        return table.drop_duplicates("motion_id").set_index("motion_id")

    def joints(self, motion_id: str) -> np.ndarray:
        """The joints (T, 22, 3) of a motion in metres, Y up, 20 fps. AtomError when the run lacks the motion."""
        try:
            ref = self._ref_by_motion[motion_id]
        except KeyError:
            raise AtomError(f"run {self.run_id} has no motion {motion_id!r}") from None
        table = self._shard(ref)
        joints = table["joints"][pc.index(table["motion_id"], motion_id).as_py()].values
        return joints.to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, 22, 3)

    @cached_property
    def tokens(self) -> dict[str, list[int]]:
        """The codebook tokens of each motion, empty where its generator has no codebook."""
        tables = (self.store.read(ref, columns=["motion_id", "tokens"]) for ref in self._motion_refs())
        return {row["motion_id"]: row["tokens"] for table in tables for row in table.to_pylist()}

    def tuning_curve(self) -> list[Row]:
        """The tuning curve of all rounds with continuous step numbers, without those of baselines."""
        rows: list[Row] = []
        for name in self.round_names("adapter"):
            offset = rows[-1]["step"] if rows else 0
            rows += [row | {"step": row["step"] + offset} for row in self._rows(name)]
        return rows

    def on_policy_curve(self) -> list[Row]:
        """The curve of the on-policy tuning."""
        return self._rows("on-policy adapter")

    @property
    def adapter(self) -> ArtifactRef | None:
        """The final adapter of the run. Adapters of baselines do not count."""
        refs = [
            ref
            for name in [*self.round_names("adapter"), *self.stage_names("on-policy adapter")]
            for ref in self.refs(name)
        ]
        return refs[-1] if refs else None

    def manifests(self) -> dict[str, list[Manifest]]:
        """The manifests of all artifacts, by the name of the stage."""
        return {
            stage["name"]: [self.store.manifest(ref.stage, ref.key) for ref in self._refs_of(stage)]
            for stage in self.record["stages"]
        }

    @cached_property
    def _ref_by_motion(self) -> dict[str, ArtifactRef]:
        return {
            motion_id: ref
            for ref in self._motion_refs()
            for motion_id in self.store.read(ref, columns=["motion_id"])["motion_id"].to_pylist()
        }

    def _score_stages(self) -> list[str]:
        return [*self.round_names("scores"), *self.stage_names("test scores ")]

    def _motion_stages(self) -> list[str]:
        return [*self.round_names("motions"), *self.stage_names("test motions ")]

    def _motion_refs(self) -> list[ArtifactRef]:
        return [ref for name in self._motion_stages() for ref in self.refs(name)]

    def _read_shard(self, ref: ArtifactRef) -> pa.Table:
        return self.store.read(ref, columns=["motion_id", "joints"])

    def _rows(self, name: str) -> list[Row]:
        return [row for ref in self.refs(name) for row in self.store.read(ref).to_pylist()]

    def _refs_of(self, stage: Mapping[str, Any]) -> list[ArtifactRef]:
        if "stored" not in stage:
            raise AtomError(
                f"the record of run {self.run_id} does not name its artifacts: an older version wrote it; "
                f"{self._recompute_command()} writes a new record and reuses what is in the store"
            )
        artifacts = (stage["name"], *stage["keys"])
        if artifacts in self._verified:
            return self._verified[artifacts]
        refs = [self.store.find(stage["stored"], key) for key in stage["keys"]]
        if None in refs:
            raise AtomError(
                f"{refs.count(None)} artifacts of {stage['name']} of run {self.run_id} are missing or damaged; "
                f"{self._recompute_command()} computes them again"
            )
        return self._verified.setdefault(artifacts, refs)

    def _recompute_command(self) -> str:
        """A completed run can't be resumed."""
        is_completed = self.record.get("state") == "completed"
        return "`atom run` with the same config" if is_completed else f"`atom run --resume {self.run_id}`"
