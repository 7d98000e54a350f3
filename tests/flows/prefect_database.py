"""Prefect's database as a first start leaves it: its migrations take longer than all the rest of the start."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

_MAKE = """
import asyncio
from prefect.server.database import provide_database_interface
asyncio.run(provide_database_interface().create_db())
"""


class PrefectDatabase:
    """An empty database, made once for all processes of the tests.

    Args:
        folder: that these processes share.
        environment: to make it with.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._file = folder / "prefect.db"
        with FileLock(folder / "prefect.db.lock"):
            if self._file.exists():
                return
            made = self._file.with_suffix(".unfinished")
            own = {
                "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{made}",
                "PREFECT_HOME": str(folder / "prefect-home"),
            }
            subprocess.run([sys.executable, "-c", _MAKE], env=environment | own, check=True)
            made.rename(self._file)

    def copy_to(self, folder: Path, name: str = "prefect.db") -> Path:
        """Gives a server in this folder its database. Returns the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self._file, folder / name)
        return folder

    def new_folder(self) -> str:
        """A new folder with a copy, for `prefect_test_harness`."""
        return str(self.copy_to(Path(tempfile.mkdtemp()), "prefect-test.db"))
