"""`atom push`: an adapter, exported pairs or a report to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from atom.commands.tables import right_aligned
from atom.errors import AtomError

_MAX_SHOWN = 10


def push(
    folder: Annotated[
        Path, typer.Argument(help="an adapter, pairs of `atom preferences export`, or the folder of a report")
    ],
    repo: Annotated[str, typer.Argument(help="the repository on the Hub, owner/name")],
    yes: Annotated[bool, typer.Option("--yes", help="upload; without it the push is only shown")] = False,
    public: Annotated[bool, typer.Option("--public", help="everyone may read it; default: private")] = False,
    card: Annotated[
        Path | None, typer.Option(help="README.md to use, such as adapter/README.md in the folder of a run's report")
    ] = None,
    allow_paths: Annotated[
        bool, typer.Option("--allow-paths", help="upload although files name folders of this machine")
    ] = False,
) -> None:
    """Push an adapter, preference pairs or a report to the Hugging Face Hub. Without --yes nothing is sent.

    The token comes from the environment variable HF_TOKEN.
    """
    from atom.hub.contents import plan_push
    from atom.hub.secret_scan import scan_files
    from atom.hub.upload import check_repo_name, repo_url, upload

    check_repo_name(repo)
    plan = plan_push(folder, card)
    out = Console()
    table = Table("file", *right_aligned("bytes"), box=None)
    for name in plan.files:
        table.add_row(Text(name), f"{plan.size(name):,}")
    out.print(table)
    target = f"{repo_url(plan, repo)} ({plan.repo_type}, {'public' if public else 'private'})"
    out.print(f"{plan.content} -> {target}", markup=False, soft_wrap=True)
    findings = scan_files((name, plan.read(name)) for name in plan.files)
    for finding in findings[:_MAX_SHOWN]:
        out.print(f"{finding.file}: {finding.kind}: {finding.text}", markup=False, highlight=False, soft_wrap=True)
    if len(findings) > _MAX_SHOWN:
        out.print(f"and {len(findings) - _MAX_SHOWN} more")
    kinds = {finding.kind for finding in findings}
    if "secret" in kinds:
        raise AtomError(f"{folder}: holds a secret, listed above; take it out of the files")
    if "path" in kinds and yes and not allow_paths:
        raise AtomError(f"{folder}: names folders of this machine, listed above; remove them, or add --allow-paths")
    if not yes:
        out.print("nothing was sent; add --yes to upload")
        return
    with Console(stderr=True).status("uploading"):
        url = upload(plan, repo, public=public)
    out.print(f"{url}: {len(plan.files)} files pushed", markup=False, soft_wrap=True)
