"""Fixtures that every test may use."""

from pathlib import Path

import pytest
import torch
from headless_browser import open_browser

torch.set_num_threads(1)

SHARED = Path(__file__).resolve().parents[2] / "shared"


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


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A Chromium for the tests of one file."""
    with open_browser(tmp_path_factory.mktemp("browser") / "profile") as opened:
        yield opened
