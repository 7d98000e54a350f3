"""Servers of the mock service: in the foreground for people, in a thread for tests. They listen on 127.0.0.1 only."""

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
_KEEP_ALIVE = 75  # seconds; longer than clients reuse an idle connection, so that they never meet a closed one


@dataclass(frozen=True)
class RunningServer:
    """A running mock service. A client uses `address` as its base_url."""

    address: str
    app: FastAPI

    def statistics(self) -> dict[str, Any]:
        """The counts, as GET /statistics returns them."""
        return self.app.state.statistics.to_dict()


def serve(settings: MockServiceSettings, index: MotionIndex, port: int) -> None:
    """Runs the mock service until it is interrupted.

    Args:
        settings: settings of the service.
        index: the motions that its pictures show.
        port: TCP port on 127.0.0.1.

    Raises:
        AtomError: the port is in use.
    """
    with _bind(port) as bound, suppress(KeyboardInterrupt):
        print(f"the mock judge service, which is not a language model, listens on {_base_url(bound)}", flush=True)
        _make_server(make_app(settings, index)).run(sockets=[bound])


@contextmanager
def run_in_thread(
    settings: MockServiceSettings | None = None, index: MotionIndex | None = None, port: int = 0
) -> Iterator[RunningServer]:
    """Runs the mock service in a thread of this process, as a context manager.

    Args:
        settings: settings of the service; None for the defaults.
        index: the motions that its pictures show; None for none.
        port: TCP port on 127.0.0.1; 0 for a free one.

    Yields:
        The running service.

    Raises:
        AtomError: the port is in use, or the server ended while it was starting.
    """
    app = make_app(settings or MockServiceSettings(), index if index is not None else MotionIndex())
    with _bind(port) as bound:
        server = _make_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="mock-service", daemon=True)
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise AtomError("the mock judge service ended while it was starting")
                time.sleep(0.005)
            yield RunningServer(_base_url(bound), app)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _bind(port: int) -> Iterator[socket.socket]:
    """Binds a socket to the port. A port in use is an AtomError."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit the option. Without it the second packet of an answer waits 40 ms for the delayed ACK.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            bound.bind((_HOST, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise AtomError(f"can't listen on port {port}: {error.strerror}; choose another with --port") from None
            raise AtomError(
                f"port {port} is in use, perhaps by another mock service: stop that one or choose another with --port"
            ) from None
        yield bound


def _base_url(bound: socket.socket) -> str:
    return f"http://{_HOST}:{bound.getsockname()[1]}/v1"


def _make_server(app: FastAPI) -> uvicorn.Server:
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
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=1,
        )
    )
    logging.getLogger("uvicorn.error").addFilter(_is_not_cut)
    return server


def _is_not_cut(record: logging.LogRecord) -> bool:
    """Drops uvicorn's log of the connections that a fault cuts on purpose."""
    return "without completing response" not in record.getMessage()
