"""A web server for the people at this machine: where it listens, whom it answers, and how it runs."""

from __future__ import annotations

import errno
import socket
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from atom.errors import AtomError

THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


class SameOriginOnly:
    """ASGI middleware that keeps the web pages of other sites out, over HTTP and WebSocket.

    A request must name one of `hosts` as the server that it wants, since a page can make a name of its own point here
    (DNS rebinding); and when a page sends it, that page must come from this server itself. A program that is no browser
    names no page.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = THIS_MACHINE) -> None:
        self.app = app
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if scope["type"] in ("http", "websocket") and (refusal := self._refusal(Headers(scope=scope))):
            app = refusal
        await app(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        host, port = _host_and_port(f"//{headers.get('host', '')}")
        if host not in self.hosts:
            return PlainTextResponse("This server does not answer under that name.\n", 400)
        if "origin" in headers:
            page_host, page_port = _host_and_port(headers["origin"])
            if page_host not in self.hosts or page_port != port:
                return PlainTextResponse("This request comes from another page.\n", 403)
        return None


def _host_and_port(url: str) -> tuple[str | None, int | None]:
    """What stands in a URL; None, None where it can't be read."""
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port or {"https": 443}.get(parts.scheme, 80)
    except ValueError:
        return None, None


def answers(url: str) -> bool:
    """Whether a server of this machine answers there with 200. No proxy of the environment is asked."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def for_this_machine(app: FastAPI, headers: Mapping[str, str]) -> None:
    """Answers the people at this machine only, see `SameOriginOnly`, and sends `headers` with every answer, refusals
    too."""
    app.add_middleware(SameOriginOnly)

    @app.middleware("http")
    async def with_headers(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await answer(request)
        response.headers.update(headers)
        return response


@contextmanager
def listening(port: int, listen: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A socket that already listens; port 0 takes a free one. AtomError when it can't."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((listen, port))
            bound.listen()
        except OSError as error:
            reason = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
            raise AtomError(f"can't listen on {listen}:{port}: {reason}; choose another with --port") from None
        yield bound


def run(app: FastAPI, bound: socket.socket) -> None:
    """Answers on that socket until it is interrupted."""
    config = uvicorn.Config(app, ws="none", lifespan="off", log_level="warning", access_log=False, server_header=False)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[bound])
