"""Pictures, links and tables on the page of a flow run in the Prefect UI.

Pictures and links need a server of the run's files, whose address is in ATOM_REPORTS_URL: `make up` starts one, and so
does `atom serve-reports`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate

from atom.report.report_server import report_url
from storage import ArtifactRef, Store

_ADDRESS = "ATOM_REPORTS_URL"
_MAX_LINKED_CLIPS = 12


def publish_picture(store: Store, run_id: str, name: str, png: bytes, description: str) -> None:
    """Writes a picture into the folder of a run, and shows it on the page of the flow run where a server has it.

    Args:
        store: the artifact store.
        run_id: the run.
        name: of the picture, letters and underscores.
        png: its bytes.
        description: for the page.
    """
    store.save_run_file(run_id, f"{name}.png", png)
    if base := os.environ.get(_ADDRESS):
        create_image_artifact(f"{base}/runs/{run_id}/{name}.png", key=name.replace("_", "-"), description=description)


def publish_report(store: Store, run_id: str, address: str, clips: Sequence[ArtifactRef]) -> None:
    """Shows on the page of the flow run where the report is, and links to it and to clips where a server has them.

    Args:
        store: the artifact store.
        run_id: the run.
        address: of the report's file.
        clips: artifacts of the clips.
    """
    lines = [f"Run `{run_id}`: report at `{address}`"]
    if base := os.environ.get(_ADDRESS):
        lines = [f"[Open the report]({report_url(base, run_id)}) of run `{run_id}`"]
        files = [f"{ref.key}/{row['video']['path']}" for ref in clips for row in store.read(ref).to_pylist()]
        for number, file in enumerate(files[:_MAX_LINKED_CLIPS], start=1):
            lines.append(f"- [clip {number}]({base}/clips/{file})")
    create_markdown_artifact("\n".join(lines), key="report", description="What came of the run")


class StageTable:
    """The table of the stages so far: one artifact that grows."""

    def __init__(self) -> None:
        self._artifact: UUID | None = None

    def show(self, rows: list[dict[str, Any]]) -> None:
        """Shows these rows instead of the ones before."""
        if self._artifact is None:
            artifact = create_table_artifact(rows, key="stages", description="What each stage did so far")
            assert isinstance(artifact, UUID)
            self._artifact = artifact
            return
        with get_client(sync_client=True) as client:
            client.update_artifact(self._artifact, ArtifactUpdate(data=json.dumps(rows)))
