"""`atom.align`: the whole pipeline from a script or a notebook."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from atom.config import RunConfig, load_config
from atom.errors import AtomError

if TYPE_CHECKING:
    import pandas as pd

Until = Literal["prompts", "motions", "clips", "scores", "preferences", "tuning", "evaluation"]
"""The last stage of a run; of several rounds, that of the first. The evaluation includes the metrics and the report."""

_ENTRY_POINTS = "atom.pipeline"  # by which `flows` brings its pipeline, so that `atom` never imports `flows`


@dataclass(frozen=True)
class Alignment:
    """A finished run.

    Attributes:
        record: its config, stages, artifacts and results, as `storage.Store.run` returns it.
        store: folder or address of its store.
    """

    record: dict[str, Any]
    store: str

    @cached_property
    def adapter(self) -> Path | None:
        """Folder of the tuned adapter, for `Generator.load(adapter=...)`; None where the run tuned none.

        Of a store that is no local folder it is a copy, which is deleted when the process ends.
        """
        from atom.report.run_tables import RunTables
        from storage import Store

        tables = RunTables(Store(self.store), self.record)
        if tables.adapter is None:
            return None
        copies = ExitStack()
        atexit.register(copies.close)
        return copies.enter_context(tables.store.folder(tables.adapter))

    @property
    def gains(self) -> pd.DataFrame:
        """The gains of the tuned model, a row for each judge and figure; see `atom.evaluation.tabulate_gains`."""
        from atom.evaluation.comparison import tabulate_gains

        return tabulate_gains(self.record.get("evaluation", {}))

    @property
    def report(self) -> str | None:
        """File or address of the HTML report; None where the run has neither pairs nor an evaluation."""
        return self.record.get("report")


def align(
    config: RunConfig | Sequence[str] = (), *, store: str | Path = "store", until: Until | None = None
) -> Alignment:
    """Aligns a text-to-motion model: prompts, motions, scores, preferences, adapter, evaluation, report.

    It is `atom run` from Python, with a Prefect server that ends with this process unless PREFECT_API_URL names one.
    What the store already holds is reused. A script needs `if __name__ == "__main__":` around this call only for
    `resources.runner=dask`, whose workers import the script again.

    Args:
        config: what the run does: a config from `load_config`, or `section.field=value` overrides of the defaults.
        store: folder or fsspec address of the artifacts.
        until: the last stage; None for all.

    Returns:
        The finished run.

    Raises:
        AtomError: the config is wrong, the pipeline is not installed, or a stage fails; names the failed shards.
        StoreError: the store can't be read or written.
    """
    if isinstance(config, str):
        raise AtomError(f"overrides are a list of texts: write [{config!r}], or load a file by `load_config`")
    settings = config if isinstance(config, RunConfig) else load_config(overrides=config)
    record = _load_pipeline()(settings, str(store), until)
    return Alignment(record, str(store))


def _load_pipeline() -> Callable[[RunConfig, str, str | None], dict[str, Any]]:
    points = metadata.entry_points(group=_ENTRY_POINTS, name="align")
    if not points:
        raise AtomError(
            f"no package registers a pipeline under the entry point {_ENTRY_POINTS!r}: install this one again (`make "
            "dev`, or pip install atom-motion)"
        )
    return next(iter(points)).load()
