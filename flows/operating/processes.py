"""Background programs that outlive the command that started them, and that another command finds and stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from atom.errors import AtomError

_MARK = "ATOM_STARTED_FOR"  # environment variable of every started program, inherited by its children
_PROC = Path("/proc")


class Processes:
    """The background programs of a home folder, which keeps their record (`processes.json`) and logs."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self._record = self.home / "processes.json"

    def make_home(self) -> None:
        """Creates the folder, hidden from git. Raises AtomError when that fails."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            (self.home / ".gitignore").write_text("*\n")
        except OSError as error:
            raise AtomError(
                f"can't write into {self.home}: {error.strerror}; choose another place with --home"
            ) from None

    def alive(self) -> dict[str, dict[str, Any]]:
        """What `start` recorded of each program that still runs, by its name."""
        return {name: entry for name, entry in self._read().items() if self._is_ours(entry["pid"], entry["command"])}

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str], **facts: Any) -> None:
        """Starts a program in a session of its own, with its output in `NAME.log`.

        Args:
            name: under which it is found again.
            command: program and arguments.
            environment: added to that of this process.
            facts: kept in the record.
        """
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **environment, _MARK: str(self.home)},
            )
        self._write(self.alive() | {name: {"pid": process.pid, "command": list(command), **facts}})

    def log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def stop(self, name: str, timeout: float = 20.0) -> None:
        """Stops a program.

        Args:
            name: as given to `start`.
            timeout: seconds after SIGTERM until it is killed.
        """
        entry = self.alive().get(name)
        if entry is not None:
            # Only the first process of the session gets the signal: it passes it on, and takes a second one as urgent.
            with suppress(ProcessLookupError):
                os.kill(entry["pid"], signal.SIGTERM)
            deadline = time.monotonic() + timeout
            while time.monotonic() < deadline and self._is_ours(entry["pid"], entry["command"]):
                time.sleep(0.1)
            with suppress(ProcessLookupError):
                os.killpg(entry["pid"], signal.SIGKILL)
        self._write({other: kept for other, kept in self.alive().items() if other != name})

    def left_over(self) -> list[int]:
        """Process ids of all started programs and their children, such as a flow run that outlived its worker. Without
        /proc none is found."""
        return [pid for pid in _pids() if pid != os.getpid() and _is_marked(pid, self.home)]

    def stop_left_over(self) -> int:
        """Kills what is left over and returns how many processes that were."""
        left = self.left_over()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(left)

    def _is_ours(self, pid: int, command: Sequence[str]) -> bool:
        """Whether a process is still the one that was started, since ids are reused."""
        if _PROC.is_dir():
            return _is_marked(pid, self.home)
        listing = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True)
        return " ".join(command[1:]) in listing.stdout

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            return json.loads(self._record.read_text())
        except FileNotFoundError:
            return {}
        except ValueError:
            raise AtomError(f"{self._record} is damaged: end its processes by hand and delete it") from None

    def _write(self, entries: Mapping[str, Any]) -> None:
        written = self._record.with_suffix(".new")
        written.write_text(json.dumps(entries, indent=2))
        written.replace(self._record)


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()] if _PROC.is_dir() else []


def _is_marked(pid: int, home: Path) -> bool:
    """Whether a process carries the mark. One that has ended has no environment, even as a zombie."""
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{_MARK}={home}".encode() in environment


def python(*arguments: str) -> list[str]:
    """A command of the running Python interpreter."""
    return [sys.executable, *arguments]
