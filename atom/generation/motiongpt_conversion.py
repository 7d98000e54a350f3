"""Converts MotionGPT's checkpoint file to a checkpoint folder and verifies it tensor by tensor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from atom.errors import AtomError
from atom.generation.checkpoint import find_write_errors, resolve_template, save_checkpoint
from atom.generation.motiongpt_checkpoint import read_motiongpt
from atom.generation.weights import check_integrity, summarize
from atom.motion.feature_statistics import read_statistics

_NOTES = {
    "MotionGPT": "normalised by MotionGPT's own mean and std",
    "HumanML3D": "normalised by HumanML3D's mean and std, by --any-statistics; MotionGPT's networks need their own",
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
    """Writes MotionGPT's file as a new checkpoint folder, which appears only if it reads back as it was written.

    Args:
        path: MotionGPT's checkpoint.
        folder: the checkpoint folder to create.
        t5: T5's tokenizer and config, as for `read_motiongpt`.
        mean: a .npy of MotionGPT's own mean (263,).
        std: a .npy of MotionGPT's own std (263,).
        vae: a file whose VQ-VAE replaces the checkpoint's.
        template: the prompt template: a name of `PROMPT_TEMPLATES` or a text with {}.
        half: store the weights as float16.
        any_statistics: accept HumanML3D's official mean and std.

    Returns:
        Notes for the user: whose mean and std these are.

    Raises:
        AtomError: for HumanML3D's official mean and std without `any_statistics`, a file that is damaged or no
            MotionGPT checkpoint, or a folder that is already there.
    """
    template = resolve_template(template)
    statistics = read_statistics(mean, std)
    if statistics.name == "HumanML3D" and not any_statistics:
        raise AtomError(
            f"{mean} and {std} are HumanML3D's official pair, but MotionGPT's networks were trained with their own "
            "(deps/t2m/t2m/VQVAEV3_CB1024_CMT_H1024_NRES3/meta of its downloads): give that, or --any-statistics"
        )
    for file in filter(None, (path, vae)):
        check_integrity(file)
    checkpoint = read_motiongpt(path, t5, statistics.mean, statistics.std, vae, template)
    checkpoint.source = {"kind": "MotionGPT", "sha256": hash_file(path), "statistics": statistics.name}
    if vae is not None:
        checkpoint.source |= {"vae_sha256": hash_file(vae)}
    with create_folder(folder) as temporary:
        save_checkpoint(temporary, checkpoint, half)
        if wrong := find_write_errors(temporary, checkpoint, half):
            raise AtomError(
                f"{folder} does not read back as it was written: {summarize(wrong)}; check the disk, and try again"
            )
    return [_NOTES[statistics.name]]


@contextmanager
def create_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder to fill, which becomes `folder` if no error is raised. AtomError if `folder` has content."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AtomError(f"{folder} is already there; give a new folder, or remove it first")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as parent:
            temporary = Path(parent) / folder.name
            temporary.mkdir()
            yield temporary
            if folder.exists():
                folder.rmdir()
            temporary.rename(folder)
    except OSError as error:
        raise AtomError(f"can't write {folder}: {error.strerror or error}") from error


def hash_file(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
