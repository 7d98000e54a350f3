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
`from 'store/prompts/*/*.parquet'` or `datasets.load_dataset("parquet", data_files="store/prompts/*/*.parquet")`.
"""

from storage.errors import StoreError
from storage.garbage import Garbage, find_garbage, remove_garbage
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
    SCORES,
    TABLES,
    Table,
)
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
    "SCORES",
    "TABLES",
    "ArtifactRef",
    "ArtifactWriter",
    "Garbage",
    "Manifest",
    "Recipe",
    "Store",
    "StoreError",
    "Table",
    "canonical_json",
    "find_garbage",
    "remove_garbage",
]
