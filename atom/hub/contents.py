"""What a folder is (adapter, pairs or report), and which of its files belong on the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from atom.errors import AtomError
from atom.markdown import markdown_header

RepoType = Literal["model", "dataset", "space"]

# As in atom.tuning.adapter and atom.report.report_files, whose import takes seconds; a test compares them.
CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "adapter_config.json", "adapter_model.safetensors", "README.md"
PAGE, MARKDOWN, DATA = "report.html", "report.md", "report.json"
ADAPTER_FILES = (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, "atom.json")
# A run's folder also holds its record and people's votes, which are not part of the report.
_REPORT_FILES = (PAGE, MARKDOWN, DATA, "*.png", "*.webp")


@dataclass(frozen=True)
class HubPush:
    """What one push puts where.

    Args:
        content: what the files are, in words.
        repo_type: of the repository on the Hub.
        files: a local file or its bytes, by the path in the repository.
    """

    content: str
    repo_type: RepoType
    files: dict[str, Path | bytes]

    def size(self, name: str) -> int:
        """Bytes of a file."""
        source = self.files[name]
        return len(source) if isinstance(source, bytes) else source.stat().st_size

    def read(self, name: str) -> bytes:
        """The content of a file."""
        source = self.files[name]
        return source if isinstance(source, bytes) else source.read_bytes()


def plan_push(folder: Path, card: Path | None = None) -> HubPush:
    """Chooses the type of the repository and the files by what the folder holds.

    - An adapter becomes a model repository: peft's two files, its card and its provenance.
    - An export of pairs becomes a dataset repository, with all of its files.
    - A report becomes a static Space, which shows its page; in another repository a browser would only see its source.

    Args:
        folder: an adapter, an export by `atom preferences export`, or a run's folder with its report.
        card: takes the place of the folder's README.md, such as the card that a report writes.

    Returns:
        The files to push.

    Raises:
        AtomError: the folder is none of these, has no card, or holds a link.
    """
    if not folder.is_dir():
        raise AtomError(f"{folder}: no such folder; give the folder of an adapter, of exported pairs or of a report")
    if (folder / WEIGHTS_FILE).is_file() and (folder / CONFIG_FILE).is_file():
        push = HubPush("adapter", "model", {name: folder / name for name in ADAPTER_FILES if (folder / name).exists()})
    elif (folder / PAGE).is_file():
        names = sorted({path.name for pattern in _REPORT_FILES for path in folder.glob(pattern)})
        front_page = _space_card(folder.resolve().name).encode()
        push = HubPush("report", "space", {CARD_FILE: front_page} | {name: folder / name for name in names})
    elif any(_exported_files(folder)) and (folder / CARD_FILE).is_file():
        names = [CARD_FILE, *(path.relative_to(folder).as_posix() for path in _exported_files(folder))]
        push = HubPush("preference pairs", "dataset", {name: folder / name for name in names})
    else:
        raise AtomError(
            f"{folder}: holds no adapter ({WEIGHTS_FILE}), no pairs (`atom preferences export --to FOLDER`) and no "
            f"report ({PAGE})"
        )
    if card is not None:
        if not card.is_file():
            raise AtomError(f"{card}: no such file; --card is a Markdown file such as adapter/README.md of a run")
        push.files[CARD_FILE] = card
    if CARD_FILE not in push.files:
        raise AtomError(f"{folder}: has no {CARD_FILE}; give a card with --card, such as adapter/README.md of the run")
    for name, source in push.files.items():
        if isinstance(source, Path) and (source.is_symlink() or not source.is_file()):
            raise AtomError(f"{folder / name}: is a link or no plain file; replace it by a copy")
    return push


def _exported_files(folder: Path) -> Iterator[Path]:
    """The data files of an export, in the order of their names; hidden files and README.md are left out."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.suffix in (".parquet", ".jsonl", ".json", ".npy") and not any(part.startswith(".") for part in parts):
            yield path


def _space_card(run_id: str) -> str:
    """The README.md that makes a Space show report.html."""
    header = markdown_header({"title": f"AToM report {run_id}", "sdk": "static", "app_file": PAGE, "pinned": False})
    return f"{header}\n\nThe report of a run of AToM (CVPR 2025, arXiv 2411.18654). `{DATA}` holds its figures.\n"
