"""Looks for keys and for paths of the author's machine in files that are about to be published."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

_KEYS = re.compile(
    r"hf_[A-Za-z0-9]{30,}"  # Hugging Face
    r"|sk-[A-Za-z0-9_-]{20,}"  # OpenAI and others
    r"|gh[pousr]_[A-Za-z0-9]{30,}"  # GitHub
    r"|AKIA[0-9A-Z]{16}"  # AWS
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|[a-z]+://[^/\s:@\"'<>]+:[^/\s:@\"'<>]+@"  # a login in an address
)
_PATHS = re.compile(
    r"(?<![\w/.:<~-])/(?:home|Users|root|mnt|media|scratch|tmp|var|opt|srv|work|workspace|data)/[\w.-][^\s\"'<>`|,;)]*"
    r"|\b[A-Z]:\\{1,2}(?:Users|Documents)[^\s\"'<>`|]*"
)
_SECRET_VARIABLE = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")
_MIN_SECRET_LENGTH = 12  # a shorter value of a variable may stand in a text by chance


@dataclass(frozen=True)
class Exposure:
    """Something that should not be published. `text` never shows a secret."""

    file: str
    kind: Literal["secret", "path"]
    text: str


def scan_files(files: Iterable[tuple[str, bytes]], environment: Mapping[str, str] = os.environ) -> list[Exposure]:
    """Scans files, the strings of Parquet tables included.

    Args:
        files: name and content of each.
        environment: variables whose values must not appear, where their names speak of a key, token or password.

    Returns:
        What was found, each thing once a file.
    """
    secrets = {
        value: name
        for name, value in environment.items()
        if _SECRET_VARIABLE.search(name.upper()) and len(value) >= _MIN_SECRET_LENGTH
    }
    return [finding for name, content in files for finding in dict.fromkeys(_scan(name, content, secrets))]


def _scan(file: str, content: bytes, secrets: Mapping[str, str]) -> Iterator[Exposure]:
    for text in _texts(content):
        for match in _KEYS.finditer(text):
            yield Exposure(file, "secret", f"{match[0][:4]}... looks like a key or a login")
        for value, name in secrets.items():
            if value in text:
                yield Exposure(file, "secret", f"the value of the environment variable {name}")
        for match in _PATHS.finditer(text):
            yield Exposure(file, "path", match[0][:80])


def _texts(content: bytes) -> Iterator[str]:
    """The file as text, byte by byte, and the strings of a compressed Parquet table."""
    yield content.decode("utf-8", errors="replace")
    if content[:4] == b"PAR1":
        import pyarrow.parquet as pq

        table = pq.ParquetFile(BytesIO(content))
        columns = [field.name for field in table.schema_arrow if "string" in str(field.type)]
        for batch in table.iter_batches(columns=columns):
            yield json.dumps(batch.to_pylist(), ensure_ascii=False, default=str)
