"""MotionGPT's checkpoint file, written as a checkpoint folder and verified tensor by tensor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from atom.errors import AtomError
from atom.generation.checkpoint import save_checkpoint, stored_differently, template_of
from atom.generation.motiongpt import read_motiongpt
from atom.generation.weights import check_whole, listed
from atom.motion.feature_statistics import read_statistics

_NOTES = {
    "MotionGPT": "normalised by MotionGPT's own mean and std",
    "HumanML3D": "normalised by HumanML3D's mean and std, as you asked; MotionGPT's networks need their own",
    "unknown": "normalised by a mean and std of unknown origin: make sure that the networks were trained with them",
}


def convert_motiongpt(
    path: Path,
    folder: Path,
    t5: str | Path,
    mean: Path,
    std: Path,
    *,
    vae: Path | None = None,
    template: str = "motiongpt",
    half: bool = False,
    any_statistics: bool = False,
) -> list[str]:
    """Writes MotionGPT's file as a new checkpoint folder and tells what a user should know of it.

    `template` is a name of `TEMPLATES` or a text with {}; `half` stores float16; the other parameters are those of
    `read_motiongpt`. HumanML3D's official mean and std are refused without `any_statistics`. Nothing is left behind
    unless all of the folder reads back as it should.
    """
    template = template_of(template)
    statistics = read_statistics(mean, std)
    if statistics.name == "HumanML3D" and not any_statistics:
        raise AtomError(
            f"{mean} and {std} are HumanML3D's official pair, but MotionGPT's networks were trained with their own "
            "(deps/t2m/t2m/VQVAEV3_CB1024_CMT_H1024_NRES3/meta of its downloads): give that, or --any-statistics"
        )
    for file in filter(None, (path, vae)):
        check_whole(file)
    checkpoint = read_motiongpt(path, t5, statistics.mean, statistics.std, vae, template)
    checkpoint.source = {"kind": "MotionGPT", "sha256": sha256_of(path), "statistics": statistics.name}
    if vae is not None:
        checkpoint.source |= {"vae_sha256": sha256_of(vae)}
    with new_folder(folder) as place:
        save_checkpoint(place, checkpoint, half)
        if wrong := stored_differently(place, checkpoint, half):
            raise AtomError(f"{folder} was not written as it should be: {listed(wrong)}; check the disk, and try again")
    return [_NOTES[statistics.name]]


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `folder` if all goes well, and nothing if not. AtomError if it is in use."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AtomError(f"{folder} is already there; give a new folder, or remove it first")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as outer:
            place = Path(outer) / folder.name
            place.mkdir()
            yield place
            if folder.exists():
                folder.rmdir()
            place.rename(folder)
    except OSError as error:
        raise AtomError(f"can't write {folder}: {error.strerror or error}") from error


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
