"""The manifest: the last file of an artifact, which says what the others must be and where they came from."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from storage.errors import ArtifactError
from storage.keys import canonical_json, digest

MANIFEST = "manifest.json"
FORMAT = 1
PACKAGES = (
    "atom-motion",
    "numpy",
    "pandas",
    "peft",
    "prefect",
    "pyarrow",
    "tokenizers",
    "torch",
    "transformers",
)


@dataclass(frozen=True)
class FileRecord:
    """A file of an artifact; `path` is relative to the artifact's folder. `rows` is None unless it is a part."""

    path: str
    sha256: str
    bytes: int
    rows: int | None = None


@dataclass(frozen=True)
class Manifest:
    """recipe: what the key is the hash of. stats: counts the stage wants kept, such as how many rows it quarantined."""

    key: str
    table: str
    recipe: dict[str, Any]
    files: list[FileRecord]
    created_at: str
    seconds: float
    stats: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def stage(self) -> str:
        return self.recipe["stage"]

    @property
    def inputs(self) -> list[str]:
        return self.recipe["inputs"]

    @property
    def parts(self) -> list[FileRecord]:
        return [file for file in self.files if file.rows is not None]

    @property
    def rows(self) -> int:
        return sum(part.rows or 0 for part in self.parts)

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    def to_json(self) -> bytes:
        """Readable JSON that carries the sha256 of its own content."""
        content = asdict(self)
        content["rows"] = self.rows
        content["sha256"] = hashlib.sha256(canonical_json(content).encode("ascii")).hexdigest()
        return json.dumps(content, indent=2, sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Raises ArtifactError when the text is not what `to_json` wrote, to the last digit."""
        try:
            content = json.loads(data)
            if content["format"] != FORMAT:
                raise ArtifactError(f"manifest has format {content['format']}, this version reads {FORMAT}")
            if content.pop("sha256") != digest(content):
                raise ArtifactError("manifest was changed after it was written")
            del content["rows"]
            content["files"] = [FileRecord(**file) for file in content["files"]]
            manifest = cls(**content)
            for file in manifest.files:
                if PurePosixPath(file.path).is_absolute() or ".." in PurePosixPath(file.path).parts:
                    raise ValueError(f"the file {file.path!r} is outside of the artifact")
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"manifest can't be read: {error!r}") from error
        if manifest.key != digest(manifest.recipe):
            raise ArtifactError("manifest's recipe doesn't give its key")
        return manifest


@lru_cache(maxsize=1)
def provenance() -> dict[str, Any]:
    """Where results of this process come from: git commit (None outside a checkout), package versions, platform."""
    return {
        "git": _git_state(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_state() -> dict[str, Any] | None:
    root = Path(__file__).resolve().parents[1]
    place = _git(root, "rev-parse", "--show-toplevel", "HEAD")
    # An environment inside some other checkout says nothing about this code.
    if place is None or Path(place[0]) != root:
        return None
    return {"commit": place[1], "changed": bool(_git(root, "status", "--porcelain", "--untracked-files=no"))}


def _git(folder: Path, *arguments: str) -> list[str] | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.splitlines()
