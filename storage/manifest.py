"""The manifest: the last file written of an artifact, with the hashes of its other files and their provenance."""

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
from storage.keys import canonical_json, hash_json

# pandas, pyarrow and `datasets` leave out names that begin with "_" when they open a folder of Parquet parts.
MANIFEST = "_manifest.json"
OLD_MANIFEST = "manifest.json"  # its name in earlier versions; read, never written
MANIFEST_NAMES = (MANIFEST, OLD_MANIFEST)
FORMAT_VERSION = 1
RECORDED_PACKAGES = (
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
    """A file of an artifact. `path` is relative to the artifact's folder; `rows` is None unless the file is a part."""

    path: str
    sha256: str
    bytes: int
    rows: int | None = None


@dataclass(frozen=True)
class Manifest:
    """What an artifact contains and where it comes from.

    Attributes:
        key: the artifact's key, the hash of `recipe`.
        table: name of its table schema.
        recipe: the recipe's record, see `Recipe.record`.
        files: its files, parts among them.
        created_at: time of the commit, ISO 8601 in UTC.
        seconds: how long the stage computed.
        stats: counts that the stage keeps, such as the number of quarantined rows.
        provenance: git commit, package versions and platform.
        format: version of the manifest's own layout.
    """

    key: str
    table: str
    recipe: dict[str, Any]
    files: list[FileRecord]
    created_at: str
    seconds: float
    stats: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT_VERSION

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
        """Indented JSON that contains the sha256 of its own content."""
        content = asdict(self)
        content["rows"] = self.rows
        content["sha256"] = hashlib.sha256(canonical_json(content).encode("ascii")).hexdigest()
        return json.dumps(content, indent=2, sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Parse a manifest; raises ArtifactError unless the text is exactly what `to_json` wrote."""
        try:
            content = json.loads(data)
            if content["format"] != FORMAT_VERSION:
                raise ArtifactError(f"manifest has format {content['format']}, this version reads {FORMAT_VERSION}")
            if content.pop("sha256") != hash_json(content):
                raise ArtifactError("manifest was changed after it was written")
            del content["rows"]
            content["files"] = [FileRecord(**file) for file in content["files"]]
            manifest = cls(**content)
            for file in manifest.files:
                # A manifest comes from outside where a store is shared: it must not make a reader open other files.
                if PurePosixPath(file.path).is_absolute() or ".." in PurePosixPath(file.path).parts:
                    raise ValueError(f"the file {file.path!r} is outside of the artifact")
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"manifest can't be read: {error!r}") from error
        # The key is the hash of the recipe, so a recipe that other code has written, or an edited one, is noticed.
        if manifest.key != hash_json(manifest.recipe):
            raise ArtifactError("manifest's recipe doesn't give its key")
        return manifest


@lru_cache(maxsize=1)
def collect_provenance() -> dict[str, Any]:
    """The provenance of this process's results: git commit (None outside a checkout), package versions, platform."""
    return {
        "git": _git_state(),
        "packages": {name: version for name in RECORDED_PACKAGES if (version := _package_version(name))},
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _package_version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_state() -> dict[str, Any] | None:
    root = Path(__file__).resolve().parents[1]
    top_level_and_commit = _run_git(root, "rev-parse", "--show-toplevel", "HEAD")
    # An environment that lies inside another project's checkout must not report that project's commit.
    if top_level_and_commit is None or Path(top_level_and_commit[0]) != root:
        return None
    return {
        "commit": top_level_and_commit[1],
        # A commit says little about results of a changed work tree.
        "changed": bool(_run_git(root, "status", "--porcelain", "--untracked-files=no")),
    }


def _run_git(folder: Path, *arguments: str) -> list[str] | None:
    try:
        result = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.splitlines()
