"""A text-to-motion generator of your own: the interface that it has, and a folder of motions generated with it.

A generator is a class with a name and one method. This one stands for a diffusion model. It is complete: from a file of
its own, `atom motions make prompts.jsonl motions --by FILE.py:Diffusion` runs it:

    import numpy as np

    from atom.motion.skeleton import PARENTS, TARGET_OFFSETS


    class Denoiser:
        '''A network that removes noise from joints (n, frames, 22, 3); this one knows a single pose.'''

        def __init__(self):
            self.pose = np.zeros((22, 3))
            for joint in range(1, 22):
                self.pose[joint] = self.pose[PARENTS[joint]] + TARGET_OFFSETS[joint]

        def __call__(self, noisy, texts, step):
            return noisy + (self.pose - noisy) / (step + 1)


    class Diffusion:
        name = "diffusion-100k"  # tells motions of one checkpoint from those of another
        frames, steps = 60, 50

        def __init__(self):
            self.network = Denoiser()  # here: load the weights, move them to the GPU

        def motions(self, texts, seeds):
            noise = [np.random.default_rng(seed).standard_normal((self.frames, 22, 3)) for seed in seeds]
            motions = np.stack(noise)
            for step in reversed(range(self.steps)):
                motions = self.network(motions, texts, step)
            return list(motions)  # metres, Y up, 20 fps; or features (frames, 263), not normalised
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from atom.atomic_write import write_atomically
from atom.errors import AtomError
from atom.external.motion_set import validate_prompt_id
from atom.motion_formats.motion_files import convert_array
from atom.prompts.grammar import Prompt

_INDEX_NAME, _REJECTED_NAME, _MOTION_FOLDER = "index.jsonl", "rejected.jsonl", "motions"


class MotionGenerator(Protocol):
    """Generates a motion for each text and its seed; the same text and seed should give the same motion.

    `name` tells the motions of one checkpoint from those of another.
    """

    name: str

    def motions(self, texts: Sequence[str], seeds: Sequence[int]) -> Sequence[np.ndarray]:
        """Generates motions.

        Args:
            texts: one for each motion.
            seeds: one for each motion.

        Returns:
            For each text joints (T, 22, 3) in metres, Y up, at 20 fps, or HumanML3D's features (T, 263), not
            normalised.
        """
        ...


@dataclass(frozen=True)
class FolderCounts:
    """What became of the motions of a folder.

    Attributes:
        generated: motions that this run generated.
        kept: motions that were in the folder before.
        rejected: arrays that are no motions.
    """

    generated: int
    kept: int
    rejected: int


def make_motion_folder(
    generator: MotionGenerator,
    prompts: Sequence[Prompt],
    folder: str | Path,
    samples: int = 8,
    seed: int = 0,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> FolderCounts:
    """Generates motions for prompts and writes them as a set that `atom.external.motion_set` reads.

    A run that was cut off resumes: motions that are written and indexed stay. Arrays that are not finite or of a wrong
    shape go to FOLDER/rejected.jsonl with the reason and are not generated again; delete that file once the generator
    is fixed.

    Args:
        generator: the generator.
        prompts: the prompts.
        folder: the folder to write: motions/*.npy and index.jsonl.
        samples: motions per prompt.
        seed: decides the seed of every motion, together with prompt and sample.
        batch_size: motions per call of the generator.
        progress: receives the number of finished motions and of all motions.

    Returns:
        How many motions were generated, kept and rejected.

    Raises:
        AtomError: if the folder holds motions of another generator, seed or wording, or if the generator returns
            another number of motions than it receives texts.
    """
    folder = Path(folder)
    try:
        (folder / _MOTION_FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AtomError(f"{folder}: can't be created ({error.strerror}), choose another place") from error
    jobs = {
        (validate_prompt_id(prompt.prompt_id), sample): prompt for prompt, sample in product(prompts, range(samples))
    }
    index = [row for row in _read_rows(folder / _INDEX_NAME) if (folder / _MOTION_FOLDER / _file_name(row)).is_file()]
    rejected = _read_rows(folder / _REJECTED_NAME)
    _check_same_source(folder, [*index, *rejected], jobs, generator.name, seed)
    _replace_rows(folder / _INDEX_NAME, index)
    _replace_rows(folder / _REJECTED_NAME, rejected)
    kept_keys, rejected_keys = (
        {(row["prompt_id"], row["sample"]) for row in rows} & jobs.keys() for rows in (index, rejected)
    )
    missing = [key for key in jobs if key not in kept_keys | rejected_keys]
    num_generated, num_rejected, done = 0, len(rejected_keys), len(jobs) - len(missing)
    for start in range(0, len(missing), batch_size):
        keys = missing[start : start + batch_size]
        rows = [_build_row(jobs[key], key[1], generator.name, seed) for key in keys]
        motions = generator.motions([row["text"] for row in rows], [row["seed"] for row in rows])
        if len(motions) != len(rows):
            raise AtomError(
                f"{generator.name} returned {len(motions)} motions for {len(rows)} texts: return one for each"
            )
        written, refused = [], []
        for row, motion in zip(rows, motions, strict=True):
            try:
                _write_motion(folder / _MOTION_FOLDER / _file_name(row), motion)
                written.append(row | {"file": f"{_MOTION_FOLDER}/{_file_name(row)}"})
            except AtomError as error:
                refused.append(row | {"reason": str(error)})
        # The files come before their rows: a crash in between loses work, and never leaves a row without its motion.
        _append_rows(folder / _INDEX_NAME, written)
        _append_rows(folder / _REJECTED_NAME, refused)
        num_generated, num_rejected, done = num_generated + len(written), num_rejected + len(refused), done + len(keys)
        if progress:
            progress(done, len(jobs))
    return FolderCounts(num_generated, len(kept_keys), num_rejected)


def derive_sample_seed(seed: int, prompt_id: str, sample: int) -> int:
    """The seed of one sample, which does not depend on the other samples of a run.

    Args:
        seed: the seed of the run.
        prompt_id: the prompt.
        sample: the number of the sample among those of the prompt.

    Returns:
        A seed from 0 to 2**32 - 1.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{prompt_id}/{sample}".encode()).digest()[:4], "big")


def _build_row(prompt: Prompt, sample: int, generator: str, seed: int) -> dict[str, Any]:
    return {
        "text": prompt.text,
        "sample": sample,
        "prompt_id": prompt.prompt_id,
        "task": prompt.task,
        "split": prompt.split,
        "events": [event.to_dict() for event in prompt.events],
        "seed": derive_sample_seed(seed, prompt.prompt_id, sample),
        "generator": generator,
    }


def _file_name(row: dict[str, Any]) -> str:
    return f"{row['prompt_id']}-{row['sample']}.npy"


def _write_motion(path: Path, motion: Any) -> None:
    """Writes a motion as .npy. AtomError if it is no motion."""
    try:
        array = np.asarray(motion)
    except (ValueError, TypeError, RuntimeError) as error:  # uneven lists; tensors that can't become arrays
        raise AtomError(f"{path.stem}: is no array ({' '.join(str(error).split())[:100]})") from None
    convert_array(array, path.stem)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.save(file, array.astype(np.float32), allow_pickle=False)

    write_atomically(path, write)


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of an earlier run. A line that was cut off counts as missing."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
            rows.append(row | {"prompt_id": validate_prompt_id(row["prompt_id"]), "sample": int(row["sample"])})
        except (ValueError, TypeError, KeyError, AtomError):
            continue
    return rows


def _replace_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    if rows or path.exists():
        text = "".join(map(_to_json_line, rows))
        write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _append_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    if rows:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(map(_to_json_line, rows))
            file.flush()
            os.fsync(file.fileno())


def _to_json_line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _check_same_source(
    folder: Path, rows: list[dict[str, Any]], jobs: dict[tuple[str, int], Prompt], generator: str, seed: int
) -> None:
    """AtomError if the folder's rows come from another generator or seed, or stand for other texts."""
    for row in rows:
        prompt = jobs.get((row["prompt_id"], row["sample"]))
        if prompt is None:
            continue
        expected = _build_row(prompt, row["sample"], generator, seed)
        if other := [name for name in ("generator", "seed", "text") if row.get(name) != expected[name]]:
            raise AtomError(
                f"{folder}: holds motions of another {' and '.join(other)}, such as {_file_name(row)}: "
                "give another folder"
            )
