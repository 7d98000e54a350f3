"""A web server for the people at this machine: where it listens, and how it runs."""

from __future__ import annotations

import errno
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from atom.errors import AtomError


def for_this_machine(app: FastAPI, headers: Mapping[str, str]) -> None:
    """Answers under the names of this machine only (a page of elsewhere that makes its own name point here gets
    nothing), and sends `headers` with every answer, refusals too."""
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])

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
