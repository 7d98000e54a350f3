"""`atom` in a process of its own, forked from one that has imported all that a run needs: it starts in no time, and can
be killed like any other."""

import multiprocessing
import os
import signal
import sys
from multiprocessing import forkserver
from pathlib import Path

_PRELOADED = ["atom.cli", "flows.clusters", "flows.commands", "flows.pipeline", "distributed"]
_context = multiprocessing.get_context("forkserver")


def start_fork_server(api: str) -> None:
    """Starts the process to fork from, for this process and for good.

    Args:
        api: address of the Prefect server, which Prefect reads when it is imported.
    """
    before = os.environ.get("PREFECT_API_URL")
    os.environ |= {"PREFECT_API_URL": api, "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
    _context.set_forkserver_preload(_PRELOADED)
    forkserver.ensure_running()
    del os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"]
    if before is None:
        del os.environ["PREFECT_API_URL"]
    else:
        os.environ["PREFECT_API_URL"] = before


class ForkedAtom:
    """A running `atom` command, whose standard error can be read as it comes.

    Args:
        folder: for a named pipe.
        arguments: of the command.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        pipe = folder / f"stderr-{len(list(folder.glob('stderr-*')))}"
        os.mkfifo(pipe)
        self._process = _context.Process(target=_run, args=(str(pipe), arguments))
        self._process.start()
        self.stderr = pipe.open()

    def kill(self) -> None:
        """Kills the process as `kill -9` does, if it still runs."""
        if self._process.is_alive():
            os.kill(self._process.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Waits for the end of the process, and returns its exit status; after a signal, its negative number."""
        self.stderr.read()  # a full pipe would let it wait
        self._process.join()
        return self._process.exitcode


def _run(pipe: str, arguments: tuple[str, ...]) -> None:
    os.dup2(os.open(pipe, os.O_WRONLY), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    from atom.cli import main

    sys.argv = ["atom", *arguments]
    main()
