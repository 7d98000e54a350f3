"""Your own generator: what it has to offer, and a folder of motions made with it.

A generator of any kind is a class with a name and one method. This one stands for a diffusion model; it is whole, so in
a file of its own `atom motions make prompts.jsonl motions --by FILE.py:Diffusion` runs it:

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

from atom.errors import AtomError
from atom.files import replace_file
from atom.generation.made_elsewhere import checked_prompt_id
from atom.motion.files import as_joints
from atom.prompts.grammar import Prompt

_INDEX, _REJECTED, _MOTIONS = "index.jsonl", "rejected.jsonl", "motions"


class MotionGenerator(Protocol):
    """Makes a motion for each text and its seed; the same text and seed should give the same motion.

    A motion is joints (T, 22, 3) in metres, Y up, at 20 fps, or HumanML3D's features (T, 263), not normalised.
    """

    name: str

    def motions(self, texts: Sequence[str], seeds: Sequence[int]) -> Sequence[np.ndarray]: ...


@dataclass(frozen=True)
class FolderCounts:
    """Motions that were made now, that were there before, and that are no motion, then or now."""

    made: int
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
    """Writes `samples` motions of each prompt as FOLDER/motions/*.npy, and their FOLDER/index.jsonl.

    The folder is a set that `atom.generation.made_elsewhere` reads. A run that was cut off goes on: what is there and
    indexed stays. What is not finite or of a wrong shape goes to rejected.jsonl with the reason, and is not made again:
    delete that file once the generator is mended.

    Raises AtomError if the folder holds motions of another generator, seed or wording, or if the generator returns
    another number of motions than was asked.
    """
    folder = Path(folder)
    try:
        (folder / _MOTIONS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AtomError(f"{folder}: can't be made ({error.strerror}), choose another place") from error
    wanted = {
        (checked_prompt_id(prompt.prompt_id), sample): prompt for prompt, sample in product(prompts, range(samples))
    }
    index = [row for row in _rows(folder / _INDEX) if (folder / _MOTIONS / _name(row)).is_file()]
    rejected = _rows(folder / _REJECTED)
    _check_same(folder, [*index, *rejected], wanted, generator.name, seed)
    _replace_rows(folder / _INDEX, index)
    _replace_rows(folder / _REJECTED, rejected)
    there, refused = ({(row["prompt_id"], row["sample"]) for row in rows} & wanted.keys() for rows in (index, rejected))
    missing = [key for key in wanted if key not in there | refused]
    made, bad, done = 0, len(refused), len(wanted) - len(missing)
    for start in range(0, len(missing), batch_size):
        keys = missing[start : start + batch_size]
        rows = [_row(wanted[key], key[1], generator.name, seed) for key in keys]
        motions = generator.motions([row["text"] for row in rows], [row["seed"] for row in rows])
        if len(motions) != len(rows):
            raise AtomError(
                f"{generator.name} returned {len(motions)} motions for {len(rows)} texts: return one for each"
            )
        good, refusals = [], []
        for row, motion in zip(rows, motions, strict=True):
            try:
                _write_motion(folder / _MOTIONS / _name(row), motion)
                good.append(row | {"file": f"{_MOTIONS}/{_name(row)}"})
            except AtomError as error:
                refusals.append(row | {"reason": str(error)})
        _append_rows(folder / _INDEX, good)
        _append_rows(folder / _REJECTED, refusals)
        made, bad, done = made + len(good), bad + len(refusals), done + len(keys)
        if progress:
            progress(done, len(wanted))
    return FolderCounts(made, len(there), bad)


def sample_seed(seed: int, prompt_id: str, sample: int) -> int:
    """The seed of one sample, 0 to 2**32 - 1: it depends on nothing else that is made beside it."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{prompt_id}/{sample}".encode()).digest()[:4], "big")


def _row(prompt: Prompt, sample: int, generator: str, seed: int) -> dict[str, Any]:
    return {
        "text": prompt.text,
        "sample": sample,
        "prompt_id": prompt.prompt_id,
        "task": prompt.task,
        "split": prompt.split,
        "events": [event.to_dict() for event in prompt.events],
        "seed": sample_seed(seed, prompt.prompt_id, sample),
        "generator": generator,
    }


def _name(row: dict[str, Any]) -> str:
    return f"{row['prompt_id']}-{row['sample']}.npy"


def _write_motion(path: Path, motion: Any) -> None:
    """AtomError for what is no motion."""
    try:
        array = np.asarray(motion)
    except (ValueError, TypeError, RuntimeError) as error:  # uneven lists; tensors that can't become arrays
        raise AtomError(f"{path.stem}: is no array ({' '.join(str(error).split())[:100]})") from None
    as_joints(array, path.stem)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.save(file, array.astype(np.float32), allow_pickle=False)

    replace_file(path, write)


def _rows(path: Path) -> list[dict[str, Any]]:
    """The rows of an earlier run; a line that was cut off counts as missing."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
            rows.append(row | {"prompt_id": checked_prompt_id(row["prompt_id"]), "sample": int(row["sample"])})
        except (ValueError, TypeError, KeyError, AtomError):
            continue
    return rows


def _replace_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    if rows or path.exists():
        replace_file(path, lambda temporary: temporary.write_text("".join(map(_line, rows)), encoding="utf-8"))


def _append_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    if rows:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(map(_line, rows))
            file.flush()
            os.fsync(file.fileno())


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _check_same(
    folder: Path, rows: list[dict[str, Any]], wanted: dict[tuple[str, int], Prompt], generator: str, seed: int
) -> None:
    for row in rows:
        prompt = wanted.get((row["prompt_id"], row["sample"]))
        if prompt is None:
            continue
        expected = _row(prompt, row["sample"], generator, seed)
        if other := [name for name in ("generator", "seed", "text") if row.get(name) != expected[name]]:
            raise AtomError(
                f"{folder}: holds motions of another {' and '.join(other)}, such as {_name(row)}: give another folder"
            )
