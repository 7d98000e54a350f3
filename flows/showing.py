"""Pictures and links on the page of a flow run. Both need a server of the run's files, whose address is in the
environment: `make up` starts one, and so does `atom serve-reports`."""

from __future__ import annotations

import os

from prefect.artifacts import create_image_artifact, create_link_artifact

from atom.report.serving import report_url
from storage import Store

ADDRESS = "ATOM_REPORTS_URL"


def show_picture(store: Store, run_id: str, name: str, png: bytes, description: str) -> None:
    """Puts a picture into the run's folder, and on its page if it can be fetched from there."""
    store.save_run_file(run_id, f"{name}.png", png)
    if base := os.environ.get(ADDRESS):
        create_image_artifact(f"{base}/runs/{run_id}/{name}.png", key=name.replace("_", "-"), description=description)


def show_report(run_id: str) -> None:
    if base := os.environ.get(ADDRESS):
        create_link_artifact(
            report_url(base, run_id), link_text="open the report", key="report-page", description=f"Run {run_id}"
        )
