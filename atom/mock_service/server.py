"""The double as a server: in the foreground for people, in a thread for tests. Only this machine can reach it."""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI

from atom.errors import AtomError
from atom.mock_service.app import make_app
from atom.mock_service.motion_index import MotionIndex
from atom.mock_service.settings import MockServiceSettings

_HOST = "127.0.0.1"
_PATIENCE = 75  # seconds that an idle connection stays open, as long as a client may think that it is


@dataclass(frozen=True)
class RunningServer:
    """A double that runs: `address` is what a client takes as its base_url."""

    address: str
    app: FastAPI

    def statistics(self) -> dict[str, Any]:
        """What GET /statistics tells."""
        return self.app.state.statistics.to_dict()


def serve(settings: MockServiceSettings, index: MotionIndex, port: int) -> None:
    """Runs the double until it is interrupted. AtomError when the port is taken."""
    with _bound(port) as bound, suppress(KeyboardInterrupt):
        print(f"a test double of OpenAI's API, not a language model, listens on {_address(bound)}", flush=True)
        _server(make_app(settings, index)).run(sockets=[bound])


@contextmanager
def run_in_thread(
    settings: MockServiceSettings | None = None, index: MotionIndex | None = None, port: int = 0
) -> Iterator[RunningServer]:
    """Runs the double in a thread of this process, on a free port unless one is given."""
    app = make_app(settings or MockServiceSettings(), index if index is not None else MotionIndex())
    with _bound(port) as bound:
        server = _server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="test-double", daemon=True)
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise AtomError("the test double ended while it was starting")
                time.sleep(0.005)
            yield RunningServer(_address(bound), app)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    """A socket that holds the port from now on; AtomError when someone else does."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. Without it an answer's second packet waits 40 ms for the client's delayed ACK.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            bound.bind((_HOST, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise AtomError(f"can't listen on port {port}: {error.strerror}; choose another with --port") from None
            raise AtomError(
                f"port {port} is in use, perhaps by another test double: end that one or choose another with --port"
            ) from None
        yield bound


def _address(bound: socket.socket) -> str:
    return f"http://{_HOST}:{bound.getsockname()[1]}/v1"


def _server(app: FastAPI) -> uvicorn.Server:
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=_PATIENCE,
            timeout_graceful_shutdown=1,
        )
    )
    logging.getLogger("uvicorn.error").addFilter(_is_no_cut)
    return server


def _is_no_cut(record: logging.LogRecord) -> bool:
    """Connections that are cut on purpose are no news."""
    return "without completing response" not in record.getMessage()
