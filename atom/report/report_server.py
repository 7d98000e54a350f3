"""The web server of reports and clips: read only, on this machine only, and nothing else of the store."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import FileResponse, HTMLResponse

from atom.local_server import open_listening_socket, restrict_to_local_requests, run_server
from atom.rendering.viewer import viewer_script_hash
from atom.templates import template_environment
from storage import Store, StoreError

_RUN_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
_RUN_FILE = re.compile(r"(report|people)\.html|[a-zA-Z0-9][a-zA-Z0-9_-]*\.(png|webp)")
_CLIP_FILE = re.compile(r"[^/].*\.(mp4|png)")
_HEADERS = {
    # A report embeds its pictures and styles. Only the script of the 3D viewer may run, identified by its hash.
    "Content-Security-Policy": f"default-src 'none'; script-src {viewer_script_hash()}; img-src 'self' data:; "
    "media-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def report_url(base: str, run_id: str) -> str:
    """The address of a report on a report server.

    Args:
        base: address of the server, such as http://127.0.0.1:4280.
        run_id: the run.

    Returns:
        The address.
    """
    return f"{base.rstrip('/')}/runs/{quote(run_id, safe='')}/report.html"


def make_app(store: Store) -> FastAPI:
    """The web application: an index of the runs, their reports and plots, and the files of committed clips.

    It answers only GET and HEAD, and only under the host names of this machine, so that a page of another site can't
    read it by DNS rebinding.
    """
    app = FastAPI(openapi_url=None)
    restrict_to_local_requests(app, _HEADERS)

    @app.api_route("/", methods=["GET", "HEAD"])
    def index() -> HTMLResponse:
        template = template_environment("atom.report").get_template("runs.html.j2")
        return HTMLResponse(template.render(store=store.root, runs=_list_runs(store)))

    @app.api_route("/runs/{run_id}/{name}", methods=["GET", "HEAD"])
    def run_file(run_id: str, name: str) -> Response:
        if not (_RUN_ID.fullmatch(run_id) and _RUN_FILE.fullmatch(name)):
            raise HTTPException(404)
        return _file_response(store, f"runs/{run_id}/{name}")

    @app.api_route("/clips/{key}/{name:path}", methods=["GET", "HEAD"])
    def clip(key: str, name: str) -> Response:
        try:
            committed = {file.path for file in store.manifest("clips", key).files}
        except StoreError:
            raise HTTPException(404) from None
        if not _CLIP_FILE.fullmatch(name) or name not in committed:
            raise HTTPException(404)
        return _file_response(store, f"clips/{key}/{name}")

    return app


def serve(store: Store, port: int, listen: str = "127.0.0.1") -> None:
    """Runs the server until it is interrupted, and prints its address.

    Args:
        store: whose reports and clips to serve.
        port: to listen on; 0 takes a free one.
        listen: the address to listen on.

    Raises:
        AtomError: the port can't be used.
    """
    with open_listening_socket(port, listen) as bound:
        print(f"reports of {store.root} are at http://{listen}:{bound.getsockname()[1]}", flush=True)
        run_server(make_app(store), bound)


def _list_runs(store: Store) -> list[dict[str, Any]]:
    """One row of the index per run, the newest first. A run whose record can't be read has only its id."""
    rows = []
    for run_id in filter(_RUN_ID.fullmatch, store.files.names("runs", folders_only=True)):
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


def _file_response(store: Store, path: str) -> Response:
    """A file of the store, in ranges where the store is local. A symbolic link out of the store is refused."""
    media_type = mimetypes.guess_type(path)[0]
    if not store.files.local:
        try:
            return Response(store.files.read(path), media_type=media_type)
        except FileNotFoundError:
            raise HTTPException(404) from None
    full_path = Path(store.files.full_path(path)).resolve()
    if not full_path.is_file() or not full_path.is_relative_to(Path(store.files.base).resolve()):
        raise HTTPException(404)
    return FileResponse(full_path, media_type=media_type)
