"""`atom --help` names all commands and imports none of what they need."""

import subprocess
import sys

import pytest

from atom.cli import commands
from atom.commands.lazy_commands import LazyCommand

HEAVY = ("torch", "pyarrow", "pandas", "prefect", "numpy", "scipy", "numba", "transformers", "fastapi")
CALL = "import sys; sys.argv = ['atom', *{arguments}]; from atom.cli import main\ntry: main()\nexcept SystemExit: ...\n"
TOLD = "print('imported:', *(name for name in {heavy} if name in sys.modules))"


def called(*arguments, heavy=HEAVY):
    """What `atom ...` says in a new process, and which of the heavy packages it imported."""
    code = CALL.format(arguments=arguments) + TOLD.format(heavy=heavy)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    text, _, imported = said.rpartition("imported:")
    return text, imported.split()


@pytest.mark.parametrize("arguments", [(), ("--help",), ("no-such-command",)])
def test_the_list_of_commands_imports_no_heavy_package(arguments):
    _, imported = called(*arguments)
    assert imported == []


@pytest.mark.parametrize("arguments", [("run", "--help"), ("runs", "--help"), ("tune", "--help")])
def test_help_of_the_pipeline_does_not_import_prefect(arguments):
    text, imported = called(*arguments, heavy=("prefect", "torch"))
    assert "Usage" in text and imported == []


def test_the_list_of_commands_says_of_each_what_its_own_help_says():
    text, _ = called("--help")
    words = set(text.split())
    for name, place in commands().items():
        command = LazyCommand(name, place)
        own = command.load().help
        assert own and command.read_help() == own, name
        assert {name, *own.split("\n\n")[0].split()[:3]} <= words


def test_commands_of_packages_above_are_among_them():
    assert {"run", "runs", "tune", "generate", "store"} <= set(commands())
