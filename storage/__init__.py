"""The artifact store on Parquet: what a stage makes is kept under a key that says what it was made from.

    store = Store("store")
    recipe = Recipe("prompts", version=1, table=PROMPTS, config=config, seed=0)
    ref = store.find(recipe.stage, recipe.key)
    if ref is None:
        with store.write(recipe) as writer:
            writer.rows(rows)
        ref = writer.ref
    table = store.read(ref)

Any program can open the parts, one with `pandas.read_parquet(".../part-00000.parquet")`, all of a stage with DuckDB's
`from 'store/prompts/*/*.parquet'` or `datasets.load_dataset("parquet", data_files="store/prompts/*/*.parquet")`. Where
a stage has hundreds of artifacts, `compact` puts their rows into few large parts beside them.
"""

from storage.compaction import Compacted, compact
from storage.errors import ArtifactError, StoreError, StoreUnreachable
from storage.garbage import Garbage, find_garbage, killed, remove_garbage, runs_in_progress
from storage.keys import Recipe, canonical_json
from storage.manifest import Manifest
from storage.schemas import (
    CLIPS,
    COMPARISONS,
    CURVES,
    EVALUATION,
    METRICS,
    MOTIONS,
    PICTURES,
    PREFERENCES,
    PROMPTS,
    REWARD_CURVES,
    REWARD_MODEL_CURVES,
    SCORES,
    TABLES,
    Table,
)
from storage.statistics import StageStatistics, StoreStatistics, statistics_of
from storage.store import ArtifactRef, ArtifactWriter, Store

__all__ = [
    "CLIPS",
    "COMPARISONS",
    "CURVES",
    "EVALUATION",
    "METRICS",
    "MOTIONS",
    "PICTURES",
    "PREFERENCES",
    "PROMPTS",
    "REWARD_CURVES",
    "REWARD_MODEL_CURVES",
    "SCORES",
    "TABLES",
    "ArtifactError",
    "ArtifactRef",
    "ArtifactWriter",
    "Compacted",
    "Garbage",
    "Manifest",
    "Recipe",
    "StageStatistics",
    "Store",
    "StoreError",
    "StoreStatistics",
    "StoreUnreachable",
    "Table",
    "canonical_json",
    "compact",
    "find_garbage",
    "killed",
    "remove_garbage",
    "runs_in_progress",
    "statistics_of",
]
