"""The stages that bring in what was made elsewhere, in the place of what would have been made here."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from atom.config import RunConfig
from atom.errors import AtomError
from atom.events import Split
from atom.external.motion_set import ExternalMotion, ExternalMotionSet, prompts_of, read_motion_set
from atom.generation.checkpoint import codes_of
from atom.planning.plan import check_tokens
from atom.preferences.importing import import_preferences
from atom.preferences.training_rows import UNSURE
from atom.prompts.grammar import Prompt
from flows.stages import ShardResult, once, rows_of
from flows.stages import prompts_of as stored_prompts
from storage import MOTIONS, PREFERENCES, PROMPTS, ArtifactRef, Recipe, Store


def check(config: RunConfig) -> None:
    """AtomError when what is to be tuned on has no tokens, before any work is done."""
    if config.external.tune and config.external.candidates:
        check_tokens(_motion_set(config.external.candidates, "train"), config.external.candidates)


def make_prompts(root: str, config: RunConfig) -> ShardResult:
    """The prompts of all imported motions: those of the candidates train, those of base and tuned test. Texts that
    can't be read as events are left out and counted; `atom motions check` tells why."""
    store, imported = Store(root), config.external
    wanted: list[tuple[str, Split]] = []
    if external.candidates:
        wanted.append((external.candidates, "train"))
    wanted += [(path, "test") for path in (external.base, external.tuned) if path]
    sets = [(_motion_set(path, split), split) for path, split in wanted]
    recipe = Recipe("prompts", 1, PROMPTS, config={"imported": [[split, _digest(made)] for made, split in sets]})

    def compute(writer: Any) -> None:
        known: dict[str, Prompt] = {}
        left_out = 0
        for made, split in sets:
            prompts, quarantined = prompts_of(made, split)
            left_out += len(quarantined)
            for prompt in (replace(prompt, split=split) for prompt in prompts):
                other = known.setdefault(prompt.prompt_id, prompt)
                if (other.text, other.split) != (prompt.text, split):
                    raise AtomError(
                        f"prompt {prompt.prompt_id} is {prompt.text!r} ({split}) in {made.origin} and {other.text!r} "
                        f"({other.split}) in {other.source}: an id is one text, and no test was trained on"
                    )
        writer.rows([prompt.to_dict() | {"rejected": None, "answer": None} for prompt in known.values()])
        writer.stats = {"quarantined": left_out}

    return once(store, recipe, compute)


def make_motions(root: str, prompts: ArtifactRef, path: str, split: Split, start: int, stop: int) -> ShardResult:
    """Motions of a folder or table for the prompts [start, stop) of a split. One that can't be read is left out and
    counted."""
    store, made = Store(root), _motion_set(path, split)
    asked = [row["prompt_id"] for row in stored_prompts(store, prompts, split)[start:stop]]
    by_prompt = _by_prompt(made)
    entries = [entry for prompt_id in asked for entry in by_prompt.get(prompt_id, [])]
    recipe = Recipe(
        "motions",
        2,
        MOTIONS,
        inputs=[prompts.key],
        config={"imported": [[entry.prompt_id, entry.sample, entry.digest, list(entry.tokens)] for entry in entries]},
    )

    def compute(writer: Any) -> None:
        rows, broken = [], 0
        for entry in entries:
            try:
                joints = made.joints(entry)
            except AtomError:
                broken += 1
                continue
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
            raise AtomError(f"none of {len(entries)} motions of {made.origin} can be read: see `atom motions check`")
        writer.rows(rows)
        writer.stats = {"quarantined": broken}

    return once(store, recipe, compute)


def make_preferences(root: str, config: RunConfig) -> ShardResult:
    """Pairs that others labelled, or that were exported; what can't be used is left out and counted, and so are pairs
    whose annotator was unsure, if the config does not want them."""
    assert config.external.preferences is not None
    found = import_preferences(config.external.preferences, codes_of(config.generation.checkpoint))
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

    return once(Store(root), recipe, compute)


def gather_preferences(root: str, config: RunConfig) -> ShardResult:
    """The pairs of all finished runs of the store that have one of the names, each once."""
    store = Store(root)
    refs = preferences_of_runs(store, config)
    recipe = Recipe("preferences", 3, PREFERENCES, config={"gathered": True}, inputs=[ref.key for ref in refs])

    def compute(writer: Any) -> None:
        known: dict[tuple[Any, ...], dict[str, Any]] = {}
        for ref in refs:
            for row in rows_of(store, ref):
                known.setdefault((row["prompt"], tuple(row["chosen_tokens"]), tuple(row["rejected_tokens"])), row)
        writer.rows(list(known.values()))

    return once(store, recipe, compute)


def preferences_of_runs(store: Store, config: RunConfig) -> list[ArtifactRef]:
    """In the order of their keys. AtomError when no finished run has one of the names, or one paired motions of another
    generator."""
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
    """The motions of a set that are meant for this split or for any. All motions are hashed to read a set, so it is
    kept while the files that name them stay as they are."""
    folder = Path(path)
    files = sorted(folder.glob("*.*")) if folder.is_dir() else [folder]
    stamps = tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.is_file())
    made = _read(path, stamps)
    entries = [entry for entry in made.entries if entry.split in (None, split)]
    if not entries:
        raise AtomError(f"{path} holds motions, but none of the split {split}: its rows name another `split`")
    return replace(made, entries=entries)


@lru_cache(maxsize=4)
def _read(path: str, stamps: tuple[tuple[str, int, int], ...]) -> ExternalMotionSet:
    return read_motion_set(path)


def _digest(made: ExternalMotionSet) -> str:
    """Of what its rows ask for."""
    asked = sorted({repr((entry.prompt_id, entry.text, entry.events, entry.task)) for entry in made.entries})
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()


def _by_prompt(made: ExternalMotionSet) -> dict[str, list[ExternalMotion]]:
    groups: dict[str, list[ExternalMotion]] = {}
    for entry in made.entries:
        groups.setdefault(entry.prompt_id, []).append(entry)
    return groups
