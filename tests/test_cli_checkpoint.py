"""`atom checkpoint`: inspect, convert, export, and the messages when something is missing."""

import json

import pytest
import torch
from motiongpt_files import build_policy, write_tiny
from typer.testing import CliRunner

from atom.commands.checkpoint import checkpoint_app
from atom.errors import AtomError
from atom.generation.checkpoint import load_checkpoint
from atom.generation.inspection import inspect_checkpoint


def call(*arguments):
    """Exit status and output; errors that a user can mend come through as they are."""
    result = CliRunner().invoke(checkpoint_app, [str(argument) for argument in arguments])
    if isinstance(result.exception, AtomError):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def files(tmp_path):
    return write_tiny(tmp_path)


@pytest.fixture
def base(files, tmp_path):
    status, _ = call(
        "convert", files.checkpoint, tmp_path / "base", "--t5", files.t5, "--mean", files.mean, "--std", files.std
    )
    assert status == 0
    return tmp_path / "base"


def test_inspect_shows_a_table_or_data(files):
    status, out = call("inspect", files.checkpoint)
    assert status == 0 and "kind │ MotionGPT" in out and "d_model 32" in out and "metrics.* (2)" in out
    assert f"next: atom checkpoint convert {files.checkpoint} DIR" in out
    status, out = call("inspect", files.checkpoint, "--json")
    assert status == 0 and json.loads(out)["vqvae"]["codes"] == 16


def test_inspect_fails_on_faults_and_names_them(files):
    state = torch.load(files.checkpoint, weights_only=True)["state_dict"]
    state.pop("vae.quantizer.codebook")
    state |= {f"vae.extra{i}": torch.zeros(1) for i in range(30)}
    torch.save(state, files.checkpoint)
    status, out = call("inspect", files.checkpoint)
    assert status == 1 and "fault:" in out and "next: none" in out
    torch.save({f"unheard.{i}": torch.zeros(1) for i in range(3)}, files.checkpoint)
    assert call("inspect", files.checkpoint)[0] == 1
    with pytest.raises(AtomError, match="No such file"):
        call("inspect", files.checkpoint.with_name("absent"))


def test_convert_says_what_was_done_and_with_which_statistics(files, tmp_path):
    status, out = call(
        "convert",
        files.checkpoint,
        tmp_path / "half",
        "--t5",
        files.t5,
        "--mean",
        files.mean,
        "--std",
        files.std,
        "--float16",
        "--template",
        "caption",
    )
    assert status == 0 and "read back tensor by tensor" in out and "unknown origin" in out
    assert load_checkpoint(str(tmp_path / "half")).template == "{}"


def test_convert_asks_for_what_is_missing(files, tmp_path):
    with pytest.raises(AtomError, match="--t5 and --std missing"):
        call("convert", files.checkpoint, tmp_path / "base", "--mean", files.mean)


def test_a_tuned_model_is_converted_and_exported(base, tmp_path):
    torch.save(build_policy(str(base), ["q", "v"]).state_dict(), tmp_path / "policy.pt")
    status, out = call("convert", tmp_path / "policy.pt", tmp_path / "adapter", "--base", base)
    assert status == 0 and "4 is assumed, twice the rank" in out
    status, out = call("export", tmp_path / "adapter", tmp_path / "again.pt", "--base", base)
    assert status == 0 and "tensors" in out
    first, second = (torch.load(tmp_path / name, weights_only=True) for name in ("policy.pt", "again.pt"))
    assert list(first) == list(second) and all(torch.equal(first[key], second[key]) for key in first)
    with pytest.raises(AtomError, match="--base is missing"):
        call("export", tmp_path / "adapter", tmp_path / "again.pt")


@pytest.mark.parametrize(("faults", "shown", "more"), [(20, 20, None), (21, 20, "and 1 more faults: --json lists all")])
def test_twenty_faults_are_shown(files, monkeypatch, faults, shown, more):
    inspection = inspect_checkpoint(files.checkpoint)
    inspection.faults[:] = [f"number {number}" for number in range(faults)]
    monkeypatch.setattr("atom.generation.inspection.inspect_checkpoint", lambda path: inspection)
    status, out = call("inspect", files.checkpoint)
    assert status == 1 and out.count("fault: number") == shown
    assert ("more faults" in out) == bool(more) and (more or "") in out
