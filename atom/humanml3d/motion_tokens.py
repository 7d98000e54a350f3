"""Motion tokens: the clips of a split as codes, in the layout that MotionGPT trains on.

TOKENS/ID.npy holds an int64 array (1, n) for each clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from atom.atomic_write import write_atomically
from atom.errors import AtomError
from atom.humanml3d.dataset import HumanML3D, QuarantineEntry, find_length_problem
from atom.motion.npy_files import read_array

EncodeClips = Callable[[Sequence[np.ndarray]], list[list[int]]]

FRAMES_PER_CODE = 4
_BATCH_SIZE = 256  # clips that are encoded together: at most 54 MB of features
_SCHEMA = pa.schema([("id", pa.string()), ("tokens", pa.list_(pa.int16())), ("frames", pa.int32())])


@dataclass(frozen=True)
class TokenisationResult:
    """The numbers of clips that this call encoded and that it reused from an earlier call, and what it left out."""

    encoded: int
    reused: int
    quarantined: list[QuarantineEntry]


def tokenise_split(
    dataset: HumanML3D,
    split: str,
    encode: EncodeClips,
    output: Path,
    *,
    encoder: str,
    progress: Callable[[int, int], None] | None = None,
) -> TokenisationResult:
    """Encode the clips of a split, one code for every four frames.

    Writes OUTPUT/TOKENS/ID.npy for each clip, and OUTPUT/SPLIT.parquet with id, tokens and number of encoded frames of
    all clips. A call that was interrupted resumes; a clip that is newer than its codes is encoded again. Damaged clips
    and clips that are too short or too long are left out.

    Args:
        dataset: the dataset.
        split: the name of the split.
        encode: encodes raw features, each (T, 263), as `Generator.encode` does.
        output: the folder to write.
        encoder: identifies the weights behind `encode`.
        progress: called with the number of clips done and in total.

    Raises:
        AtomError: `output` holds the codes of another encoder.
    """
    tokens = output / "TOKENS"
    tokens.mkdir(parents=True, exist_ok=True)
    _check_encoder(output, tokens, encoder)
    ids = dataset.read_ids(split)
    missing = [id for id in ids if not _is_current(tokens / f"{id}.npy", dataset.features_path(id))]
    missing.sort(key=lambda id: _file_size(dataset.features_path(id)))  # a batch then holds clips of similar length
    quarantined: list[QuarantineEntry] = []
    for start in range(0, len(missing), _BATCH_SIZE):
        batch = missing[start : start + _BATCH_SIZE]
        clips = _read_clips(dataset, batch, quarantined)
        for id, codes in _encode_clips(encode, clips, quarantined):
            _write_codes(tokens / f"{id}.npy", codes)
        if progress:
            progress(len(ids) - len(missing) + start + len(batch), len(ids))
    left_out = {id for id, _ in quarantined}
    _write_table(output / f"{split}.parquet", tokens, [id for id in ids if id not in left_out])
    return TokenisationResult(len(missing) - len(left_out), len(ids) - len(missing), quarantined)


def _check_encoder(output: Path, tokens: Path, encoder: str) -> None:
    """Refuse a folder with codes of another encoder, since nothing in the code files tells them apart."""
    path = output / "encoder.txt"
    previous = path.read_text().strip() if path.is_file() else ""
    if previous != encoder and (previous or any(tokens.glob("*.npy"))):
        raise AtomError(
            f"{output}: holds the codes of {f'encoder {previous[:12]}' if previous else 'an unknown encoder'}, not of "
            f"{encoder[:12]}: give another folder, or remove this one"
        )
    path.write_text(encoder + "\n")


def _is_current(codes: Path, features: Path) -> bool:
    try:
        _read_codes(codes)
        return codes.stat().st_mtime >= features.stat().st_mtime
    except (AtomError, OSError):
        return False


def _file_size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _read_clips(dataset: HumanML3D, ids: Sequence[str], quarantined: list[QuarantineEntry]) -> dict[str, np.ndarray]:
    clips = {}
    for id in ids:
        try:
            features = dataset.read_clip(id)
        except AtomError as error:
            quarantined.append((id, str(error)))
            continue
        if reason := find_length_problem(len(features)):
            quarantined.append((id, reason))
        else:
            clips[id] = features[: len(features) // FRAMES_PER_CODE * FRAMES_PER_CODE]
    return clips


def _encode_clips(
    encode: EncodeClips, clips: Mapping[str, np.ndarray], quarantined: list[QuarantineEntry]
) -> Iterator[tuple[str, list[int]]]:
    """Encode clips in one batch; if it fails, encode them one by one, so that only the faulty ones are left out."""
    if not clips:
        return
    try:
        rows = encode(list(clips.values()))
    except AtomError as error:
        if len(clips) == 1:
            quarantined += [(id, str(error)) for id in clips]
            return
        for id, features in clips.items():
            yield from _encode_clips(encode, {id: features}, quarantined)
        return
    for (id, features), codes in zip(clips.items(), rows, strict=True):
        if len(codes) == len(features) // FRAMES_PER_CODE:
            yield id, codes
        else:
            quarantined.append((id, f"{len(features)} frames became {len(codes)} codes, expected one for four frames"))


def _write_codes(path: Path, codes: Sequence[int]) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.save(file, np.array([codes], dtype=np.int64), allow_pickle=False)

    write_atomically(path, write)


def _read_codes(path: Path) -> list[int]:
    array = read_array(path)
    if array.ndim != 2 or len(array) != 1 or array.dtype != np.int64:
        raise AtomError(f"{path}: holds {array.dtype} of shape {array.shape}, expected int64 (1, codes)")
    return array[0].tolist()


def _write_table(path: Path, tokens: Path, ids: Sequence[str]) -> None:
    codes = [_read_codes(tokens / f"{id}.npy") for id in ids]
    frames = [len(row) * FRAMES_PER_CODE for row in codes]
    table = pa.table({"id": list(ids), "tokens": codes, "frames": frames}, schema=_SCHEMA)
    write_atomically(path, lambda temporary: pq.write_table(table, temporary))
