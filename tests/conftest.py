"""Fixtures that every test may use."""

from pathlib import Path

import pytest
import torch
from headless_browser import EVIL_HOST, open_browser
from hypothesis import settings

torch.set_num_threads(1)
# The first call of a compiled loop takes seconds: a test of a property has no deadline.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

SHARED = Path(__file__).resolve().parents[2] / "shared"
# Prefect or a store on S3, Chromium, and the documentation and examples as they run.
SLOW_FIXTURES = {"server", "attacked", "team", "browser", "run_block", "run_example"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Marks what is slow. Files with pipelines come first, then those with other slow tests: all processes are busy to
    the end where the last files are short."""
    slow_files = set()
    for item in items:
        if SLOW_FIXTURES & set(item.fixturenames):
            item.add_marker("slow")
        if item.get_closest_marker("slow"):
            slow_files.add(item.path)
    items.sort(key=lambda item: (item.path not in slow_files, item.path.parent.name != "flows"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real motion capture and parity numbers that may lie beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("no shared/ folder beside the checkout: parity and real motion can't be compared")
    return SHARED


@pytest.fixture
def atom(monkeypatch, capsys):
    """`atom("judge", ...)` gives (exit status, standard output, standard error)."""
    from atom import cli

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["atom", *map(str, arguments)])
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = end.code or 0
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A Chromium for all tests of this process. `EVIL_HOST` leads it to this machine."""
    rebind = f"--host-resolver-rules=MAP {EVIL_HOST} 127.0.0.1"
    with open_browser(tmp_path_factory.mktemp("browser") / "profile", rebind) as opened:
        yield opened
