"""The artifact store on Parquet: a stage's output is stored under a key, the hash of all that determines its content.

    store = Store("store")
    recipe = Recipe("prompts", version=1, table=PROMPTS, config=config, seed=0)
    ref = store.find(recipe.stage, recipe.key)
    if ref is None:
        with store.write(recipe) as writer:
            writer.rows(rows)
        ref = writer.ref
    table = store.read(ref)

Any program can open the parts: an artifact with `pandas.read_parquet("store/prompts/KEY")`, all of a stage with DuckDB
(`from 'store/prompts/*/*.parquet'`) or with `datasets.load_dataset("parquet",
data_files="store/prompts/*/*.parquet")`.
For stages with hundreds of artifacts, `compact` copies their rows into a few large parts.
"""

from storage.compaction import CompactionResult, compact
from storage.errors import ArtifactError, StoreError, StoreUnreachable
from storage.garbage import Garbage, find_garbage, find_runs_in_progress, process_is_gone, remove_garbage
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
    TableSchema,
)
from storage.statistics import StageStatistics, StoreStatistics, compute_statistics
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
    "CompactionResult",
    "Garbage",
    "Manifest",
    "Recipe",
    "StageStatistics",
    "Store",
    "StoreError",
    "StoreStatistics",
    "StoreUnreachable",
    "TableSchema",
    "canonical_json",
    "compact",
    "compute_statistics",
    "find_garbage",
    "find_runs_in_progress",
    "process_is_gone",
    "remove_garbage",
]
