"""Stages that bring in external motions and pairs, in place of those that other stages compute.

Recipes keep the field name `imported` of earlier versions, so that their artifacts are found again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from atom.config import RunConfig
from atom.errors import AtomError
from atom.events import Split
from atom.external.motion_set import (
    ExternalMotion,
    ExternalMotionSet,
    derive_prompts,
    find_unread_texts,
    read_motion_set,
)
from atom.generation.checkpoint import read_codebook_size
from atom.motion_formats.remark_counts import RemarkCounts
from atom.planning.plan import check_has_tokens
from atom.preferences.importing import import_preferences
from atom.preferences.training_rows import UNSURE
from atom.prompts.grammar import Prompt
from atom.prompts.llm_reading import reader_settings
from atom.prompts.reading import VERSION as READER_VERSION
from flows.services import read_captions
from flows.stages.shard import ShardResult, compute_or_reuse, requires_resource
from flows.stages.tables import read_prompts, read_rows
from storage import MOTIONS, PREFERENCES, PROMPTS, ArtifactRef, Recipe, Store


def check_config(config: RunConfig) -> None:
    """Raises AtomError before any work is done when the candidates to tune on have no tokens."""
    if config.external.tune and config.external.candidates:
        check_has_tokens(_motion_set(config.external.candidates, "train"), config.external.candidates)


@requires_resource("service")
def make_prompts(root: str, config: RunConfig) -> ShardResult:
    """The prompts of all external motions: the candidates' for training, those of base and tuned for test. Texts that
    can't be read as events are counted as quarantined; `atom motions check` shows the reasons."""
    store, external = Store(root), config.external
    sources: list[tuple[str, Split]] = []
    if external.candidates:
        sources.append((external.candidates, "train"))
    sources += [(path, "test") for path in (external.base, external.tuned) if path]
    sets = [(_motion_set(path, split), split) for path, split in sources]
    settings = {"imported": [[split, _digest(motions)] for motions, split in sets], "reading": READER_VERSION}
    recipe = Recipe("prompts", 1, PROMPTS, config=settings | reader_settings(config.prompts))

    def compute(writer: Any) -> None:
        texts = dict.fromkeys(text for motions, _ in sets for text in find_unread_texts(motions))
        reading = read_captions(config, store, list(texts))
        read_texts = dict(zip(texts, reading.texts, strict=True))
        known: dict[str, Prompt] = {}
        dropped = 0
        for motions, split in sets:
            prompts, quarantined = derive_prompts(motions, split, read_texts)
            dropped += len(quarantined)
            for prompt in (replace(prompt, split=split) for prompt in prompts):
                other = known.setdefault(prompt.prompt_id, prompt)
                if (other.text, other.split) != (prompt.text, split):
                    raise AtomError(
                        f"prompt {prompt.prompt_id} is {prompt.text!r} ({split}) in {motions.origin} and "
                        f"{other.text!r} ({other.split}) in {other.source}: an id names one text, and no test prompt "
                        "is trained on"
                    )
        writer.rows([prompt.to_dict() | {"rejected": None, "answer": None} for prompt in known.values()])
        writer.stats = {"quarantined": dropped} | reading.stats

    return compute_or_reuse(store, recipe, compute)


def make_motions(root: str, prompts: ArtifactRef, path: str, split: Split, start: int, stop: int) -> ShardResult:
    """Reads the motions of a folder or table for some prompts.

    Args:
        root: folder or address of the store.
        prompts: artifact of the prompts.
        path: the folder or table.
        split: "train" or "test".
        start: place of the shard's first prompt in the split.
        stop: place after its last prompt.

    Returns:
        The motions; those that can't be read are counted as quarantined.

    Raises:
        AtomError: none of them can be read.
    """
    store, motions = Store(root), _motion_set(path, split)
    prompt_ids = [row["prompt_id"] for row in read_prompts(store, prompts, split)[start:stop]]
    by_prompt = _by_prompt(motions)
    entries = [entry for prompt_id in prompt_ids for entry in by_prompt.get(prompt_id, [])]
    recipe = Recipe(
        "motions",
        3,
        MOTIONS,
        inputs=[prompts.key],
        config={"imported": [[entry.prompt_id, entry.sample, entry.digest, list(entry.tokens)] for entry in entries]},
    )

    def compute(writer: Any) -> None:
        rows, broken, remarks = [], 0, RemarkCounts()
        for entry in entries:
            try:
                motion = motions.convert(entry)
            except AtomError:
                broken += 1
                continue
            joints = motion.joints
            remarks.add(motion.record, entry.where)
            rows.append(
                {
                    "motion_id": f"{recipe.key[:12]}-{entry.prompt_id}-{entry.sample}",
                    "prompt_id": entry.prompt_id,
                    "sample": entry.sample,
                    "seed": entry.seed or 0,
                    "tokens": list(entry.tokens),
                    "frames": len(joints),
                    "joints": joints,
                    "stop_reason": "end",
                }
            )
        if entries and not rows:
            raise AtomError(f"none of {len(entries)} motions of {motions.origin} can be read: see `atom motions check`")
        writer.rows(rows)
        writer.stats = {"quarantined": broken, "remarks": remarks.to_dict()}

    return compute_or_reuse(store, recipe, compute)


def find_remarks(store: Store, refs: Iterable[ArtifactRef]) -> Iterable[str]:
    """What was assumed of the motions in artifacts of `make_motions`, a sentence a kind."""
    counts = RemarkCounts()
    for ref in refs:
        counts.merge(store.manifest(ref.stage, ref.key).stats.get("remarks", {}))
    return counts.sentences()


def make_preferences(root: str, config: RunConfig) -> ShardResult:
    """Reads pairs that people labelled or that were exported. Unusable ones are counted as quarantined, and
    so are pairs of an unsure annotator unless the config includes them."""
    assert config.external.preferences is not None
    found = import_preferences(config.external.preferences, read_codebook_size(config.generation.checkpoint))
    recipe = Recipe(
        "preferences", 3, PREFERENCES, config={"imported": found.digest, "unsure": config.external.include_unsure_pairs}
    )

    def compute(writer: Any) -> None:
        rows = [
            row
            for row in found.rows
            if config.external.include_unsure_pairs or (row["decided_by"], row["degree"]) != ("annotator", UNSURE)
        ]
        writer.rows(rows)
        writer.stats = {"quarantined": len(found.quarantined) + len(found.rows) - len(rows)}

    return compute_or_reuse(Store(root), recipe, compute)


def gather_preferences(root: str, config: RunConfig) -> ShardResult:
    """The distinct pairs of all finished runs that have one of the names in `external.runs`."""
    store = Store(root)
    refs = preferences_of_runs(store, config)
    recipe = Recipe("preferences", 3, PREFERENCES, config={"gathered": True}, inputs=[ref.key for ref in refs])

    def compute(writer: Any) -> None:
        known: dict[tuple[Any, ...], dict[str, Any]] = {}
        for ref in refs:
            for row in read_rows(store, ref):
                known.setdefault((row["prompt"], tuple(row["chosen_tokens"]), tuple(row["rejected_tokens"])), row)
        writer.rows(list(known.values()))

    return compute_or_reuse(store, recipe, compute)


def preferences_of_runs(store: Store, config: RunConfig) -> list[ArtifactRef]:
    """The preferences of all finished runs with one of the names in `external.runs`, in the order of their keys.

    Args:
        store: the artifact store.
        config: the run's config.

    Returns:
        References to the pairs.

    Raises:
        AtomError: no finished run has one of the names, or one of them paired motions of another generator.
    """
    refs: dict[str, ArtifactRef] = {}
    for record in store.runs():
        if record["state"] != "completed" or record["config"]["name"] not in config.external.runs:
            continue
        paired = record["config"]["generation"]["checkpoint"]
        if paired != config.generation.checkpoint:
            raise AtomError(
                f"run {record['run_id']} paired motions of {paired!r}, and {config.generation.checkpoint!r} is to be "
                "tuned: leave its name out of external.runs"
            )
        for stage in record["stages"]:
            if stage["name"] == "preferences" or stage["name"].startswith("preferences round "):
                found = (store.find("preferences", key) for key in stage["keys"])
                refs |= {ref.key: ref for ref in found if ref}
    if not refs:
        raise AtomError(f"no finished run in the store is named {' or '.join(config.external.runs)}")
    return [refs[key] for key in sorted(refs)]


def _motion_set(path: str, split: Split) -> ExternalMotionSet:
    """The motions of a set that belong to this split or to no split in particular."""
    # Reading a set hashes all of its motions, so it is cached until a file that names them changes.
    folder = Path(path)
    has_index = any(folder.glob("index.*"))
    files = sorted(folder.glob("*.*" if has_index else "**/*")) if folder.is_dir() else [folder]
    stamps = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.is_file())
    motions = _read(path, stamps)
    entries = [entry for entry in motions.entries if entry.split in (None, split)]
    if not entries:
        raise AtomError(f"{path} holds no motion of the split {split}: its rows name another `split`")
    return replace(motions, entries=entries)


@lru_cache(maxsize=4)
def _read(path: str, stamps: tuple[tuple[str, int, int], ...]) -> ExternalMotionSet:
    return read_motion_set(path)


def _digest(motions: ExternalMotionSet) -> str:
    """Hash of the prompts of a set."""
    prompts = sorted({repr((entry.prompt_id, entry.text, entry.events, entry.task)) for entry in motions.entries})
    return hashlib.sha256("\n".join(prompts).encode()).hexdigest()


def _by_prompt(motions: ExternalMotionSet) -> dict[str, list[ExternalMotion]]:
    groups: dict[str, list[ExternalMotion]] = {}
    for entry in motions.entries:
        groups.setdefault(entry.prompt_id, []).append(entry)
    return groups
