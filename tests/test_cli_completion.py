"""Shell completion of `atom`: what TAB offers, in bash itself and by the protocol that zsh and fish use."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atom.alignment import Until
from atom.cli import find_commands, main
from atom.commands.completion import complete_config_key, join_bash_assignments
from flows.commands import STAGES
from tests.test_cli_startup import HEAVY

# Completes several command lines in one process, because starting one takes most of the time.
CALL = """
import os, sys
from atom.cli import main
sys.argv = ["atom"]
for words in {lines}:
    os.environ["_ATOM_COMPLETE"] = "complete_bash"
    os.environ |= {{"COMP_WORDS": "\\n".join(words), "COMP_CWORD": str(len(words) - 1)}}
    try:
        main()
    except SystemExit:
        print("imported:", *(name for name in {heavy} if name in sys.modules))
"""


@pytest.fixture
def complete(monkeypatch, capsys):
    """A function that gives what the shell is offered for the variables it sets."""

    def complete(shell, **variables):
        monkeypatch.setattr(sys, "argv", ["atom"])
        with monkeypatch.context() as patch:
            for name, value in {"_ATOM_COMPLETE": f"complete_{shell}", **variables}.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit):
                main()
        os.environ.pop("_ATOM_COMPLETE_KEY", None)
        output = capsys.readouterr()
        assert not output.err
        return output.out.strip().splitlines()

    return complete


@pytest.fixture
def complete_in_bash(complete):
    """A function that gives what bash is offered for the last of some words, split as bash splits them."""
    return lambda *words: complete("bash", COMP_WORDS="\n".join(words), COMP_CWORD=str(len(words) - 1))


def test_commands_are_offered(complete_in_bash):
    assert set(complete_in_bash("atom", "")) >= set(find_commands())
    assert complete_in_bash("atom", "pretrain-") == ["pretrain-judge", "pretrain-evaluator"]
    assert complete_in_bash("atom", "store", "g") == ["gc"]


def test_options_of_all_commands_are_offered_without_an_import_of_heavy_packages():
    options = {
        ("run",): "--resume",
        ("runs", "show"): "--json",
        ("tune", "sweep"): "--over",
        ("generate",): "--adapter",
        ("show",): "--what",
        ("preferences", "export"): "--form",
        ("report", "judges"): "--votes",
        ("review", "results"): "--write",
        ("review",): "--people-per-item",  # of its default command
        ("store", "gc"): "--keep-runs",
        ("judge", "calibrate"): "--labelled",
        ("judge",): "--by",
        ("judge", "a.npy", "'a text'"): "--by",
    }
    lines = [["atom", *words, "--"] for words in options] + [["atom", name, ""] for name in find_commands()]
    process = subprocess.run(
        [sys.executable, "-c", CALL.format(lines=lines, heavy=HEAVY)], capture_output=True, text=True, check=True
    )
    assert not process.stderr
    *offered, rest = process.stdout.split("imported:")
    assert len(offered) == len(lines)
    assert all(option in text.split() for option, text in zip(options.values(), offered))
    assert not rest.strip()  # what the last line has imported, which includes the lines before


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("judge", "a.npy", "jumps", "--by", "k"), ["kinematic"]),
        (("judge", "calibrate", "--by", "r"), ["retrieval"]),
        (("show", "--task", ""), ["integrity", "temporal", "frequency"]),
        (("show", "--what", "p"), ["prompts", "pairs"]),
        (("run", "--until", "p"), ["prompts", "preferences"]),
        (("run", "--set", "tuning.los"), [f"tuning.loss_type={name}" for name in ("ipo", "dpo", "hinge", "kto")]),
        (("run", "--set", "tuning.b"), ["tuning.beta", "tuning.batch_size", "tuning.bf16"]),
        (("run", "--set", "tuning.beta"), ["tuning.beta=", "tuning.beta=0.1"]),
        # bash breaks words at "=", and replaces only what follows it.
        (("run", "--set", "tuning.loss_type", "=", "i"), ["ipo"]),
        (("run", "--set", "tuning.bf16", "="), ["true", "false"]),
        (("run", "--set", "rounds", "=", "2", "--unt"), ["--until"]),
        (("show", "--task", "=", "t"), ["temporal"]),
        (("run", "--set", "no.such.key"), []),
        (("run", "--set", "nothing", "=", ""), []),
        (("serve-judge", "--"), ["--version"]),  # renamed: no error in the middle of the command line
    ],
)
def test_values_are_offered(complete_in_bash, words, offered):
    found = complete_in_bash("atom", *words)
    assert found[: len(offered)] == offered and bool(found) == bool(offered)


def test_runs_of_the_named_store_are_offered_newest_first(complete_in_bash, tmp_path):
    for age, name in enumerate(("20260103-a", "20260102-b", "20260101-c")):
        record = tmp_path / "runs" / name / "run.json"
        record.parent.mkdir(parents=True)
        record.write_text("{}")
        os.utime(record, (1e9 - age, 1e9 - age))
    newest_first = ["20260103-a", "20260102-b", "20260101-c"]
    assert complete_in_bash("atom", "show", "--store", str(tmp_path), "") == ["latest", *newest_first]
    assert complete_in_bash("atom", "run", "--store", str(tmp_path), "--resume", "20260101") == ["20260101-c"]
    assert complete_in_bash("atom", "show", "--store", "s3://bucket/store", "") == ["latest"]
    assert complete_in_bash("atom", "show", "--store", str(tmp_path / "absent"), "") == ["latest"]


def test_stages_of_a_run_are_those_of_the_pipeline():
    assert Until.__args__ == STAGES


def test_each_config_key_is_reached_step_by_step():
    sections = [name for name, _ in complete_config_key("") if name.endswith(".")]
    assert "judging." in sections and "rounds" in [name for name, _ in complete_config_key("")]
    assert "judging.vision.model" in [name for name, _ in complete_config_key("judging.vision.")]
    assert all(name.startswith("gates.") for name, _ in complete_config_key("gat"))  # the only section goes straight on


def test_words_without_an_equals_sign_stay_as_they_are():
    words = {"COMP_WORDS": "atom\njudge\n'a text\n", "COMP_CWORD": "3"}
    joined = dict(words)
    join_bash_assignments(joined)
    assert joined == words


def test_zsh_and_fish_are_offered_names_with_their_help(complete):
    offered = complete("fish", _TYPER_COMPLETE_ARGS="atom sto", _TYPER_COMPLETE_FISH_ACTION="get-args")
    assert [line.split("\t")[0] for line in offered] == ["store"] and "Inspect" in offered[0]
    offered = complete("zsh", _TYPER_COMPLETE_ARGS="atom run --set tuning.loss_type=ip")
    assert "tuning.loss_type=ipo" in offered[0] and offered[0].startswith("_arguments")


@pytest.mark.parametrize(
    ("shell", "words"),
    [("bash", "complete -o default -F"), ("zsh", "#compdef atom"), ("fish", "complete --command atom")],
)
def test_the_script_of_each_shell_can_be_installed(tmp_path, shell, words):
    environment = {**os.environ, "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    subprocess.run(
        [Path(sys.executable).with_name("atom"), "--install-completion", shell],
        env=environment,
        check=True,
        capture_output=True,
    )
    assert any(words in path.read_text() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_real_bash_completes_the_line(tmp_path):
    script = subprocess.run(
        [Path(sys.executable).with_name("atom")],
        env={**os.environ, "_ATOM_COMPLETE": "source_bash"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (tmp_path / "atom.sh").write_text(script)
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PS1": "ready> ",
            "TERM": "dumb",
            "HOME": str(tmp_path),
            "INPUTRC": "/dev/null",
        }
        os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
    try:
        read_until(terminal, "ready> ")
        os.write(terminal, f"source {tmp_path}/atom.sh\r".encode())
        read_until(terminal, "ready> ")
        os.write(terminal, b"atom run --set tuning.los\t")
        read_until(terminal, "s_type=")
        os.write(terminal, b"ip\t")
        read_until(terminal, "ipo ")
        os.write(terminal, b"--unt\t")
        read_until(terminal, "--until ")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def read_until(terminal, text, seconds=60):
    """Read a terminal until some text has appeared."""
    seen, deadline = "", time.monotonic() + seconds
    while text not in seen:
        left = deadline - time.monotonic()
        assert left > 0 and select.select([terminal], [], [], left)[0], f"{text!r} is missing in {seen!r}"
        seen += os.read(terminal, 4096).decode()
