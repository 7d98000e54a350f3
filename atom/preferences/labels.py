"""The preference file of AToM and InstructMotion, `preference_labels.jsonl`, and the token files beside it.

A line is a JSON object with `id`, `prompt`, `sample_1` and `sample_2` (each with the path `features`), and `chosen`, a
list of annotations of which the last one counts: `choice` (sample_1, sample_2 or skipped), `degree of preference` and
`user`. The codes of a sample, an integer array (1, n), are in the file that `get_token_path` names.

Source: repository InstructMotion (Sheng et al., "Exploring Text-to-Motion Generation with Human Preference", 2024).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from reprlib import repr as shortened
from typing import Any, Literal

import numpy as np

from atom.errors import AtomError
from atom.preferences.motion_strings import CODES, check_tokens
from atom.preferences.pairs import DEGREES

LABELS = "preference_labels.jsonl"
SAMPLES = ("sample_1", "sample_2")
SKIPPED = "skipped"
DEGREE = "degree of preference"
EXTENSION_KEY = "atom"  # what this project adds to a line; the loaders of the peers ignore it

SampleChoice = Literal["sample_1", "sample_2", "skipped"]
Tokens = tuple[int, ...]

_DEGREES = (*(word for _, word in DEGREES), SKIPPED, None)


@dataclass(frozen=True)
class LabelledPair:
    """Two motions of a prompt and the annotations of which is better.

    Attributes:
        line: the whole JSON object, so that keys of other tools are kept.
        tokens: the codes of sample_1 and sample_2; None only if the line says that its motions have none.
    """

    line: dict[str, Any]
    tokens: tuple[Tokens, Tokens] | None

    @property
    def id(self) -> int | str:
        return self.line["id"]

    @property
    def prompt(self) -> str:
        return self.line["prompt"]

    @property
    def annotation(self) -> dict[str, Any]:
        """The last annotation, the one that counts."""
        return self.line["chosen"][-1]

    @property
    def choice(self) -> SampleChoice:
        return self.annotation["choice"]

    @property
    def degree(self) -> str | None:
        """One of AToM's degrees or `skipped`; None if the annotation has none."""
        return self.annotation.get(DEGREE)

    @property
    def features(self) -> tuple[str, str]:
        """The paths of the two samples' features, relative to the file's folder."""
        return self.line[SAMPLES[0]]["features"], self.line[SAMPLES[1]]["features"]


@dataclass(frozen=True)
class LabelFile:
    """The valid lines in their order, and (line number, reason) of each line that can't be used."""

    pairs: list[LabelledPair]
    quarantined: list[tuple[int, str]]


def read_labels(path: str | Path, codes: int = CODES) -> LabelFile:
    """Reads a labels file.

    Quarantined are lines that are no JSON or lack a key, that have an unknown choice or degree in the last annotation,
    or whose token files are missing, have another shape or type, or hold codes outside of the codebook. Token files
    must be inside the folder of the labels file.

    Args:
        path: the file or its folder.
        codes: the size of the codebook.

    Returns:
        The pairs and the quarantined lines.

    Raises:
        AtomError: the file does not exist or can't be read, or no line of it can be used.
    """
    path = Path(path)
    path = path / LABELS if path.is_dir() else path
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise AtomError(f"{path}: can't be read ({error.strerror}); give AToM's {LABELS} or its folder") from error
    pairs, quarantined = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            pairs.append(_read_pair(line, path.parent, codes))
        except AtomError as error:
            quarantined.append((number, str(error)))
    if not pairs:
        first = f"line {quarantined[0][0]}: {quarantined[0][1]}" if quarantined else "it is empty"
        raise AtomError(f"{path}: no line can be used ({first}); repair it or give another {LABELS}")
    return LabelFile(pairs, quarantined)


def write_labels(folder: str | Path, pairs: Iterable[LabelledPair]) -> None:
    """Writes a labels file with its token files. `read_labels` gives the same pairs back.

    Args:
        folder: where preference_labels.jsonl goes.
        pairs: at least their lines must be valid.

    Raises:
        AtomError: a line is not valid, two pairs name the same file for different tokens, or the folder can't be
            written.
    """
    folder, pairs = Path(folder), list(pairs)
    tokens: dict[Path, Tokens] = {}
    for pair in pairs:
        _check_line(pair.line)
        for features, codes in zip(pair.features, pair.tokens or ()):
            path = _resolve_inside(folder, get_token_path(features))
            if tokens.setdefault(path, codes) != codes:
                raise AtomError(f"pair {pair.id}: another pair has other tokens for {path.name}, rename it")
    try:
        for path, codes in tokens.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.array([codes], dtype=np.int64), allow_pickle=False)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LABELS).write_text("".join(json.dumps(pair.line) + "\n" for pair in pairs))
    except OSError as error:
        raise AtomError(f"{folder}: can't be written ({error.strerror}); choose another folder") from error


def get_token_path(features: str) -> str:
    """The path where the peers' loader looks for the tokens of the motion with the features at this path."""
    stem = features.removesuffix(".npy").replace("data2", "data3")
    return f"{stem}_token.npy".replace("features", "tokens")


def _read_pair(data: bytes, folder: Path, codes: int) -> LabelledPair:
    try:
        line = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise AtomError("is not a JSON object") from error
    _check_line(line)
    if _declares_no_tokens(line):
        return LabelledPair(line, None)
    first, second = (_read_tokens(folder, get_token_path(line[sample]["features"]), codes) for sample in SAMPLES)
    return LabelledPair(line, (first, second))


def _declares_no_tokens(line: dict[str, Any]) -> bool:
    return isinstance(extension := line.get(EXTENSION_KEY), dict) and extension.get("tokens") is False


def _check_line(line: Any) -> None:
    if not isinstance(line, dict):
        raise AtomError("is not a JSON object")
    if type(line.get("id")) not in (int, str):
        raise AtomError(f"id {shortened(line.get('id'))} is neither a number nor a text")
    if not isinstance(line.get("prompt"), str) or not line["prompt"].strip():
        raise AtomError("prompt is missing or not a text")
    for sample in SAMPLES:
        features = line[sample].get("features") if isinstance(line.get(sample), dict) else None
        if not isinstance(features, str) or not features.endswith(".npy"):
            raise AtomError(f"features of {sample} is {shortened(features)}, not the path of a .npy file")
    annotations = line.get("chosen")
    if not isinstance(annotations, list) or not annotations or not isinstance(annotations[-1], dict):
        raise AtomError("chosen is not a list of at least one annotation")
    choice, degree = annotations[-1].get("choice"), annotations[-1].get(DEGREE)
    if choice not in (*SAMPLES, SKIPPED):
        raise AtomError(f"unknown choice {shortened(choice)}, expected sample_1, sample_2 or skipped")
    if degree not in _DEGREES:
        raise AtomError(f"unknown degree of preference {shortened(degree)}")


def _read_tokens(folder: Path, name: str, codes: int) -> Tokens:
    path = _resolve_inside(folder, name)
    try:
        if not path.is_file():
            raise AtomError(f"token file {name} is missing")
        array = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
    except (ValueError, EOFError, MemoryError, OSError) as error:
        raise AtomError(f"token file {name} is not a NumPy array of numbers") from error
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.integer):
        raise AtomError(f"token file {name} holds no integers")
    if array.ndim != 2 or len(array) != 1:
        raise AtomError(f"token file {name} has shape {array.shape}, expected (1, n)")
    try:
        return check_tokens(array[0].tolist(), codes)
    except AtomError as error:
        raise AtomError(f"token file {name}: {error}") from error


def _resolve_inside(folder: Path, name: str) -> Path:
    parts = PureWindowsPath(name)  # knows both kinds of slashes, and drive letters
    if not parts.anchor and ".." not in parts.parts and name.isprintable():
        path = folder / name
        if path.resolve().is_relative_to(folder.resolve()):
            return path
    raise AtomError(f"token file {shortened(name)} is outside of the labels' folder")
