"""A web server for the users of this machine: its socket, its access checks and its main loop."""

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

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


class SameOriginOnly:
    """ASGI middleware that refuses requests of other sites' web pages, over HTTP and WebSocket.

    The Host header of a request must be one of `hosts`, because a page can point its own domain at this server (DNS
    rebinding). A request with an Origin header, which browsers send, must come from a page of this server. Programs
    other than browsers send no Origin and pass.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = LOCAL_HOSTS) -> None:
        self.app = app
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if scope["type"] in ("http", "websocket") and (refusal := self._refusal(Headers(scope=scope))):
            app = refusal
        await app(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        host, port = _parse_host_and_port(f"//{headers.get('host', '')}")
        if host not in self.hosts:
            return PlainTextResponse("This server does not answer under that name.\n", 400)
        if "origin" in headers:
            page_host, page_port = _parse_host_and_port(headers["origin"])
            if page_host not in self.hosts or page_port != port:
                return PlainTextResponse("This request comes from another page.\n", 403)
        return None


def _parse_host_and_port(url: str) -> tuple[str | None, int | None]:
    """The host and the port of a URL, or None, None if it is malformed."""
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port or {"https": 443}.get(parts.scheme, 80)
    except ValueError:
        return None, None


def is_answering(url: str) -> bool:
    """Whether a GET of `url` on this machine returns status 200. Proxy settings of the environment are ignored."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def restrict_to_local_requests(app: FastAPI, headers: Mapping[str, str]) -> None:
    """Make `app` refuse all requests but those of this machine's users (see `SameOriginOnly`).

    Args:
        app: the application to change.
        headers: response headers that every response gets, refusals included.
    """
    app.add_middleware(SameOriginOnly)

    # Middleware that is added later runs outside of the earlier one, so the refusals above get the headers too.
    @app.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers.update(headers)
        return response


@contextmanager
def open_listening_socket(port: int, host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """Open a socket that already listens, so that a URL can be printed before the server starts.

    Args:
        port: 0 takes a free port.
        host: the address to listen on.

    Raises:
        AtomError: the port is in use, or the address is not available.
    """
    with socket.socket() as listening_socket:
        listening_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening_socket.bind((host, port))
            listening_socket.listen()
        except OSError as error:
            reason = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
            raise AtomError(f"can't listen on {host}:{port}: {reason}; choose another port with --port") from None
        yield listening_socket


def run_server(app: FastAPI, listening_socket: socket.socket) -> None:
    """Serve an application until the user presses Ctrl-C.

    Args:
        app: the application.
        listening_socket: the socket of `open_listening_socket`.
    """
    config = uvicorn.Config(app, ws="none", lifespan="off", log_level="warning", access_log=False, server_header=False)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening_socket])
