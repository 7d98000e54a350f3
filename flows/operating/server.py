"""Prefect's server behind a login, and closed to the web pages of other sites.

As it comes (3.8.8), Prefect's server lets every origin read its answers, answers under every host name, and asks nobody
who they are: any page that is open in a browser of this machine could read blocks and start deployments.

    python -m flows.operating.server --port 4200
"""

from __future__ import annotations

import atexit
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from starlette.types import ASGIApp

from atom.errors import AtomError
from atom.local_server import LOCAL_HOSTS, SameOriginOnly, is_answering, open_listening_socket
from flows.operating.processes import python

STARTUP_TIMEOUT = 180.0  # seconds for a server to come up; a first start makes its database
_HOSTS = "ATOM_SERVER_HOSTS"  # the names under which the server answers, with commas between them
_DEFAULT_HOSTS = ",".join(LOCAL_HOSTS)


def create_app() -> ASGIApp:
    """Prefect's application, its services included. It answers under the host names in ATOM_SERVER_HOSTS only, which
    are this machine's own unless set."""
    from prefect.server.api.server import create_app as create_prefect_app

    return SameOriginOnly(create_prefect_app(final=True), os.environ.get(_HOSTS, _DEFAULT_HOSTS).split(","))


def server_settings(login: str, address: str) -> dict[str, str]:
    """Environment of a server at `address`, such as http://127.0.0.1:4200, that asks for `login`, USER:PASSWORD."""
    return {
        "PREFECT_SERVER_API_AUTH_STRING": login,
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": address,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


def new_login() -> str:
    """A login nobody can guess, as Prefect takes it: USER:PASSWORD."""
    return f"atom:{secrets.token_urlsafe(24)}"


def read_login(file: Path) -> str | None:
    """The login that `file` keeps; None where there is no such file."""
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return None


def make_login(file: Path) -> str:
    """The login that `file` keeps, or a new one, kept there for this user alone."""
    if login := read_login(file):
        return login
    login = new_login()
    file.unlink(missing_ok=True)  # one that is empty may be readable by others
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:
        written.write(login + "\n")
    return login


@cache
def server_of_process() -> tuple[str, str]:
    """The API's address and the login of a server that ends with this process; the first call starts it.

    Raises:
        AtomError: it does not come up.
    """
    login = new_login()
    with open_listening_socket(0) as bound:
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        environment = {"PREFECT_SERVER_UI_ENABLED": "false", "PREFECT__SERVER_EPHEMERAL": "1"}
        process = subprocess.Popen(
            python("-m", "flows.operating.server", "--socket", str(bound.fileno())),
            env={**os.environ, **environment, **server_settings(login, address)},
            stdin=subprocess.PIPE,  # its end, however this process ends, is the server's
            pass_fds=[bound.fileno()],
        )
    atexit.register(_stop, process)
    deadline = time.monotonic() + STARTUP_TIMEOUT
    while not is_answering(f"{address}/api/health"):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AtomError(
                "Prefect's server does not come up: set PREFECT_SERVER_LOGGING_LEVEL=INFO to see why, or start one "
                "with `make up` and set PREFECT_API_URL and PREFECT_API_AUTH_STRING"
            )
        time.sleep(0.1)
    return f"{address}/api", login


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()


def _serve(
    host: Annotated[str, typer.Option(help="address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 4200,
    inherited: Annotated[int | None, typer.Option("--socket", help="descriptor of a socket; ends with stdin")] = None,
) -> None:
    from prefect.settings import get_current_settings

    level = get_current_settings().server.logging_level.lower()
    server = uvicorn.Server(uvicorn.Config(create_app, factory=True, log_level=level, server_header=False))
    if inherited is not None:
        threading.Thread(target=_exit_with_stdin, args=[server], daemon=True).start()
        server.run(sockets=[socket.socket(fileno=inherited)])
        return
    with open_listening_socket(port, host) as bound:
        server.run(sockets=[bound])


def _exit_with_stdin(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


if __name__ == "__main__":
    typer.run(_serve)
