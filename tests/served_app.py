"""A web application on a port of this machine, served by a thread of the test's process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from atom.local_server import open_listening_socket


@contextmanager
def serve_app(app) -> Iterator[str]:
    """Serves an ASGI application during the block, and yields its address."""
    with open_listening_socket(0) as bound:
        server = uvicorn.Server(uvicorn.Config(app, ws="none", lifespan="off", log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(60)
