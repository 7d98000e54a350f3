"""The page on which people judge motions, on this machine only, for those who have its address."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from atom.errors import AtomError
from atom.local_server import open_listening_socket, restrict_to_local_requests, run_server
from atom.rendering.viewer import (
    ViewedMotion,
    render_viewer,
    viewer_assets,
    viewer_script_hash,
    viewer_style_hash,
)
from atom.review.assignment import Assignment, Pressed, ItemPresentation
from atom.review.voter_rubrics import RUBRICS, describe_rubric
from atom.review.votes import normalise_voter_name

MAX_NOTE_LENGTH = 500  # characters
MAX_BODY_BYTES = 8192  # bytes
_KINDS = {"review.js": "text/javascript", "review.css": "text/css"}
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; script-src 'self' {viewer_script_hash()}; "
    f"style-src 'self' {viewer_style_hash()}; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_UNSHOWABLE = "<p>This motion can't be drawn. Please skip it.</p>"


def _checked_name(text: str) -> str:
    try:
        return normalise_voter_name(text)
    except AtomError as error:
        raise ValueError(str(error)) from None


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    voter: Annotated[str, AfterValidator(_checked_name)]


class _Answer(_Asked):
    item: str = Field(max_length=64)
    pressed: Pressed | None = None
    score: int | None = Field(None, ge=1, le=5)
    seen: list[bool] | None = Field(None, max_length=64)
    note: str = Field("", max_length=MAX_NOTE_LENGTH)


def make_app(assignment: Assignment, joints: Callable[[str], np.ndarray], token: str) -> FastAPI:
    """The review of the items of `assignment`; `joints` gives those of a motion, (T, 22, 3), by its id.

    `/?token=TOKEN` lets a browser in by a cookie; nothing is answered without it, nor under another name than this
    machine's own (DNS rebinding), nor to a request that the page of another origin sends.
    """
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    environment = Environment(
        loader=PackageLoader("atom.review"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    is_pair = next(iter(assignment.items.values())).is_pair

    @app.middleware("http")
    async def guarded(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        given = request.query_params.get("token")
        if not _same(token, request.cookies.get(_cookie(request), "") if given is None else given):
            return PlainTextResponse("Open the whole address that `atom review` printed.\n", 403)
        if request.method not in ("GET", "HEAD"):
            if request.headers.get("origin") != f"{request.url.scheme}://{request.headers['host']}":
                return PlainTextResponse("This request comes from another page.\n", 403)
            length = request.headers.get("content-length", "")
            if not length.isdecimal():
                return PlainTextResponse("The length of the body is missing.\n", 411)
            if int(length) > MAX_BODY_BYTES:
                return PlainTextResponse("The body is too long.\n", 413)
        return await answer(request)

    restrict_to_local_requests(app, _HEADERS)

    def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(environment.get_template(name).render(**values), status)

    def start_page(problem: str = "") -> HTMLResponse:
        tasks = sorted({item.task for item in assignment.items.values()} & set(RUBRICS))
        rubrics = {task: RUBRICS[task] for task in tasks}
        return page("start.html.j2", 400 if problem else 200, problem=problem, rubrics=rubrics, is_pair=is_pair)

    def turn(voter: str, shown: ItemPresentation | None) -> dict[str, Any]:
        """What the page shows: nothing in it tells who made which motion."""
        progress = assignment.progress(voter)
        return {
            "item": shown
            and {
                "id": shown.item.item_id,
                "text": shown.item.text,
                "rubric": describe_rubric(shown.item.task),
                "events": [] if is_pair else shown.item.events,
                "note": shown.note,
                "view": _view(shown, joints),
            },
            "mine": progress.mine,
            "open": progress.open,
            "judged": progress.judged,
            "items": progress.items,
        }

    @app.get("/")
    def start(request: Request) -> Response:
        if "token" not in request.query_params:
            return start_page()
        # A redirect would not bring a strict cookie along where the address was followed from another site.
        response = page("opening.html.j2")
        response.set_cookie(_cookie(request), token, httponly=True, samesite="strict")
        return response

    @app.get("/judge")
    def judge(voter: str = "") -> HTMLResponse:
        try:
            name = normalise_voter_name(voter)
        except AtomError as error:
            return start_page(str(error))
        return page("review.html.j2", voter=name, is_pair=is_pair, assets=viewer_assets(), most_note=MAX_NOTE_LENGTH)

    @app.get("/{name}")
    def asset(name: str) -> Response:
        if name not in _KINDS:
            raise HTTPException(404)
        return Response((files("atom.review") / "templates" / name).read_bytes(), media_type=_KINDS[name])

    @app.post("/next")
    def next_item(asked: _Asked) -> dict[str, Any]:
        return turn(asked.voter, assignment.next(asked.voter))

    @app.post("/cast")
    def cast(answer: _Answer) -> dict[str, Any]:
        seen = None if answer.seen is None else tuple(answer.seen)
        try:
            assignment.cast(answer.voter, answer.item, answer.pressed, answer.score, seen, answer.note)
        except AtomError as error:
            raise HTTPException(422, str(error)) from None
        return turn(answer.voter, assignment.next(answer.voter))

    @app.post("/undo")
    def undo(asked: _Asked) -> dict[str, Any]:
        shown = assignment.undo(asked.voter)
        return {"undone": shown is not None} | turn(asked.voter, shown or assignment.next(asked.voter))

    return app


def serve(assignment: Assignment, joints: Callable[[str], np.ndarray], port: int) -> None:
    """Runs the review on this machine until it is interrupted. AtomError when it can't listen there."""
    token = secrets.token_urlsafe(32)
    with open_listening_socket(port) as bound:
        print(f"the review is at http://127.0.0.1:{bound.getsockname()[1]}/?token={token}", flush=True)
        run_server(make_app(assignment, joints, token), bound)


def _view(shown: ItemPresentation, joints: Callable[[str], np.ndarray]) -> str:
    """The 3D view of the motions, in the order in which the voter sees them."""
    motion_ids = shown.item.motion_ids[::-1] if shown.swapped else shown.item.motion_ids
    labels = ("1", "2") if shown.item.is_pair else ("motion",)
    try:
        return render_viewer([ViewedMotion(*pair) for pair in zip(labels, map(joints, motion_ids))])
    except AtomError:
        return _UNSHOWABLE


def _same(token: str, given: str) -> bool:
    return secrets.compare_digest(token.encode(), given.encode("utf-8", "surrogatepass"))


def _cookie(request: Request) -> str:
    """Browsers send a cookie to every port of a machine, so each review has a name of its own."""
    return f"atom-review-{request.url.port}"
