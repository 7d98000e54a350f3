"""`atom --help` lists all commands and imports none of their dependencies."""

import subprocess
import sys

import pytest

from atom.cli import find_commands
from atom.commands.lazy_commands import LazyCommand

HEAVY = ("torch", "pyarrow", "pandas", "prefect", "numpy", "scipy", "numba", "transformers", "fastapi")
CALL = "import sys; sys.argv = ['atom', *{arguments}]; from atom.cli import main\ntry: main()\nexcept SystemExit: ...\n"
PRINT_IMPORTED = "print('imported:', *(name for name in {heavy} if name in sys.modules))"


def run_atom(*arguments, heavy=HEAVY):
    """What `atom ...` prints in a new process, and which of the heavy packages it imported."""
    code = CALL.format(arguments=arguments) + PRINT_IMPORTED.format(heavy=heavy)
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    text, _, imported = output.rpartition("imported:")
    return text, imported.split()


@pytest.mark.parametrize("arguments", [(), ("--help",), ("no-such-command",), ("--version",), ("serve-judge",)])
def test_the_list_of_commands_imports_no_heavy_package(arguments):
    _, imported = run_atom(*arguments)
    assert imported == []


@pytest.mark.parametrize("arguments", [("run", "--help"), ("runs", "--help"), ("tune", "--help")])
def test_help_of_the_pipeline_does_not_import_prefect(arguments):
    text, imported = run_atom(*arguments, heavy=("prefect", "torch"))
    assert "Usage" in text and imported == []


def test_the_list_of_commands_shows_the_beginning_of_each_commands_own_help():
    text, _ = run_atom("--help")
    words = set(text.split())
    for name, import_path in find_commands().items():
        command = LazyCommand(name, import_path)
        own = command.load().help
        assert own and command.read_help() == own, name
        assert {name, *own.split("\n\n")[0].split()[:3]} <= words


def test_commands_of_higher_packages_are_in_the_list():
    assert {"run", "runs", "tune", "generate", "store"} <= set(find_commands())
