"""Reports and clips of a store in a browser of this machine: read only, and nothing else of the store."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from atom.local_server import open_listening_socket, restrict_to_local_requests, run_server
from atom.rendering.viewer import viewer_script_hash
from storage import Store, StoreError

_RUN = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
_RUN_FILE = re.compile(r"(report|people)\.html|[a-zA-Z0-9][a-zA-Z0-9_-]*\.(png|webp)")
_CLIP = re.compile(r"[^/].*\.(mp4|png)")
_HEADERS = {
    # A report has its pictures and styles inside of it; of scripts only the 3D view's may run, known by its bytes.
    "Content-Security-Policy": f"default-src 'none'; script-src {viewer_script_hash()}; img-src 'self' data:; "
    "media-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def report_url(base: str, run_id: str) -> str:
    """Where a report server at `base`, such as http://127.0.0.1:4280, shows the report of a run."""
    return f"{base.rstrip('/')}/runs/{quote(run_id, safe='')}/report.html"


def make_app(store: Store) -> FastAPI:
    """An index of the runs, their reports with what lies beside them, and the files of committed clips.

    Only GET and HEAD are answered, and only under the names of this machine: a page of elsewhere that makes its own
    name point here (DNS rebinding) gets nothing.
    """
    app = FastAPI(openapi_url=None)
    restrict_to_local_requests(app, _HEADERS)

    @app.api_route("/", methods=["GET", "HEAD"])
    def index() -> HTMLResponse:
        environment = Environment(loader=PackageLoader("atom.report"), autoescape=True, undefined=StrictUndefined)
        page = environment.get_template("runs.html.j2").render(store=store.root, runs=_rows(store))
        return HTMLResponse(page)

    @app.api_route("/runs/{run_id}/{name}", methods=["GET", "HEAD"])
    def run_file(run_id: str, name: str) -> Response:
        if not (_RUN.fullmatch(run_id) and _RUN_FILE.fullmatch(name)):
            raise HTTPException(404)
        return _file(store, f"runs/{run_id}/{name}")

    @app.api_route("/clips/{key}/{name:path}", methods=["GET", "HEAD"])
    def clip(key: str, name: str) -> Response:
        try:
            committed = {file.path for file in store.manifest("clips", key).files}
        except StoreError:
            raise HTTPException(404) from None
        if not _CLIP.fullmatch(name) or name not in committed:
            raise HTTPException(404)
        return _file(store, f"clips/{key}/{name}")

    return app


def serve(store: Store, port: int, listen: str = "127.0.0.1") -> None:
    """Runs the server until it is interrupted. AtomError when it can't listen there."""
    with open_listening_socket(port, listen) as bound:
        print(f"reports of {store.root} are at http://{listen}:{bound.getsockname()[1]}", flush=True)
        run_server(make_app(store), bound)


def _rows(store: Store) -> list[dict[str, Any]]:
    """What the index says of each run, the newest first. A record that can't be read has only its name."""
    rows = []
    for run_id in filter(_RUN.fullmatch, store.files.names("runs", folders_only=True)):
        try:
            record = store.run(run_id)
        except StoreError:
            record = {"state": "unreadable"}
        summaries = record.get("evaluation") or {}
        overall = next((figures.get("overall") for figures in summaries.values()), None)
        rows.append(
            {
                "run_id": run_id,
                "created_at": record.get("created_at", ""),
                "state": record.get("state", "unknown"),
                "name": record.get("config", {}).get("name", ""),
                "gain": overall and overall.get("gain"),
                "low": overall and overall.get("gain_low"),
                "high": overall and overall.get("gain_high"),
                "url": report_url("", run_id) if store.files.exists(f"runs/{run_id}/report.html") else None,
            }
        )
    return sorted(rows, key=lambda row: (row["created_at"], row["run_id"]), reverse=True)


def _file(store: Store, path: str) -> Response:
    """The file with that path in the store, in pieces if the browser asks for them. A link that leads out of the store
    is no file of it."""
    kind = mimetypes.guess_type(path)[0]
    if not store.files.local:
        try:
            return Response(store.files.read(path), media_type=kind)
        except FileNotFoundError:
            raise HTTPException(404) from None
    full = Path(store.files.full(path)).resolve()
    if not full.is_file() or not full.is_relative_to(Path(store.files.base).resolve()):
        raise HTTPException(404)
    return FileResponse(full, media_type=kind)
