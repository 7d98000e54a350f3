"""The web server of the review page. It listens on this machine only and answers those who have its address."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
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
from atom.review.assignment import Assignment, ItemPresentation, PressedButton
from atom.review.voter_rubrics import RUBRICS, describe_rubric
from atom.review.votes import normalise_voter_name
from atom.templates import template_environment

MAX_NOTE_LENGTH = 500  # characters
MAX_BODY_BYTES = 8192  # bytes
_ASSET_TYPES = {"review.js": "text/javascript", "review.css": "text/css"}
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; script-src 'self' {viewer_script_hash()}; "
    f"style-src 'self' {viewer_style_hash()}; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_CANNOT_DRAW = "<p>This motion can't be drawn. Please skip it.</p>"


def _validate_name(text: str) -> str:
    try:
        return normalise_voter_name(text)
    except AtomError as error:
        raise ValueError(str(error)) from None


class _VoterRequest(BaseModel):
    """The body of /next and /undo."""

    model_config = ConfigDict(extra="forbid", strict=True)

    voter: Annotated[str, AfterValidator(_validate_name)]


class _VoteRequest(_VoterRequest):
    """The body of /cast: `pressed` for a pair or a skip, `score` and `seen` for a clip."""

    item: str = Field(max_length=64)
    pressed: PressedButton | None = None
    score: int | None = Field(None, ge=1, le=5)
    seen: list[bool] | None = Field(None, max_length=64)
    note: str = Field("", max_length=MAX_NOTE_LENGTH)


def make_app(assignment: Assignment, joints: Callable[[str], np.ndarray], token: str) -> FastAPI:
    """The web application of a review.

    `/?token=TOKEN` gives a browser a cookie. The application refuses requests without the token, requests under another
    host name than this machine's own (DNS rebinding), and requests that a page of another origin sends.

    Args:
        assignment: the items to judge and the votes on them.
        joints: gives the joints (T, 22, 3) of a motion by its id, in metres.
        token: the secret part of the address.

    Returns:
        The application.
    """
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    environment = template_environment("atom.review")
    is_pair = next(iter(assignment.items.values())).is_pair

    @app.middleware("http")
    async def check_access(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        query_token = request.query_params.get("token")
        given = request.cookies.get(_cookie_name(request), "") if query_token is None else query_token
        if not _is_token(token, given):
            return PlainTextResponse("Open the whole address that `atom review` printed.\n", 403)
        if request.method not in ("GET", "HEAD"):
            if request.headers.get("origin") != f"{request.url.scheme}://{request.headers['host']}":
                return PlainTextResponse("This request comes from another page.\n", 403)
            length = request.headers.get("content-length", "")
            if not length.isdecimal():
                return PlainTextResponse("The request has no Content-Length.\n", 411)
            if int(length) > MAX_BODY_BYTES:
                return PlainTextResponse("The body is too long.\n", 413)
        return await call_next(request)

    restrict_to_local_requests(app, _HEADERS)

    def render(template: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(environment.get_template(template).render(**values), status)

    def render_start_page(problem: str = "") -> HTMLResponse:
        tasks = sorted({item.task for item in assignment.items.values()} & set(RUBRICS))
        rubrics = {task: RUBRICS[task] for task in tasks}
        return render("start.html.j2", 400 if problem else 200, problem=problem, rubrics=rubrics, is_pair=is_pair)

    def describe_state(voter: str, shown: ItemPresentation | None) -> dict[str, Any]:
        """What the page shows next. Nothing in it may reveal which model made which motion."""
        progress = assignment.progress(voter)
        return {
            "item": shown
            and {
                "id": shown.item.item_id,
                "text": shown.item.text,
                "rubric": describe_rubric(shown.item.task),
                "events": [] if is_pair else shown.item.events,
                "note": shown.note,
                "view": _render_view(shown, joints),
            },
            "mine": progress.mine,
            "open": progress.open,
            "judged": progress.judged,
            "items": progress.items,
        }

    @app.get("/")
    def start(request: Request) -> Response:
        if "token" not in request.query_params:
            return render_start_page()
        # Not a redirect: after a link from another site, a browser would follow it without the SameSite=Strict cookie.
        response = render("opening.html.j2")
        response.set_cookie(_cookie_name(request), token, httponly=True, samesite="strict")
        return response

    @app.get("/judge")
    def judge(voter: str = "") -> HTMLResponse:
        try:
            name = normalise_voter_name(voter)
        except AtomError as error:
            return render_start_page(str(error))
        return render(
            "review.html.j2", voter=name, is_pair=is_pair, assets=viewer_assets(), max_note_length=MAX_NOTE_LENGTH
        )

    @app.get("/{name}")
    def asset(name: str) -> Response:
        if name not in _ASSET_TYPES:
            raise HTTPException(404)
        return Response((files("atom.review") / "templates" / name).read_bytes(), media_type=_ASSET_TYPES[name])

    @app.post("/next")
    def next_item(request: _VoterRequest) -> dict[str, Any]:
        return describe_state(request.voter, assignment.next(request.voter))

    @app.post("/cast")
    def cast(vote: _VoteRequest) -> dict[str, Any]:
        seen = None if vote.seen is None else tuple(vote.seen)
        try:
            assignment.cast(vote.voter, vote.item, vote.pressed, vote.score, seen, vote.note)
        except AtomError as error:
            raise HTTPException(422, str(error)) from None
        return describe_state(vote.voter, assignment.next(vote.voter))

    @app.post("/undo")
    def undo(request: _VoterRequest) -> dict[str, Any]:
        shown = assignment.undo(request.voter)
        state = describe_state(request.voter, shown or assignment.next(request.voter))
        return {"undone": shown is not None} | state

    return app


def serve(assignment: Assignment, joints: Callable[[str], np.ndarray], port: int) -> None:
    """Runs the review on this machine until it is interrupted, and prints its address.

    Args:
        assignment: the items to judge and the votes on them.
        joints: gives the joints (T, 22, 3) of a motion by its id, in metres.
        port: to listen on; 0 takes a free one.

    Raises:
        AtomError: the port can't be used.
    """
    token = secrets.token_urlsafe(32)
    with open_listening_socket(port) as bound:
        print(f"the review is at http://127.0.0.1:{bound.getsockname()[1]}/?token={token}", flush=True)
        run_server(make_app(assignment, joints, token), bound)


def _render_view(shown: ItemPresentation, joints: Callable[[str], np.ndarray]) -> str:
    """The 3D view of the motions, left to right as the voter sees them."""
    motion_ids = shown.item.motion_ids[::-1] if shown.swapped else shown.item.motion_ids
    labels = ("1", "2") if shown.item.is_pair else ("motion",)
    try:
        return render_viewer([ViewedMotion(*pair) for pair in zip(labels, map(joints, motion_ids))])
    except AtomError:
        return _CANNOT_DRAW


def _is_token(token: str, given: str) -> bool:
    # In constant time, so that response times do not reveal the token.
    return secrets.compare_digest(token.encode(), given.encode("utf-8", "surrogatepass"))


def _cookie_name(request: Request) -> str:
    """Browsers send a cookie to every port of a host, so the name holds the port: each review has its own cookie."""
    return f"atom-review-{request.url.port}"
