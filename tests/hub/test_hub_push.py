"""`atom push` against a Hub on this machine: what arrives, what is shown, what is refused."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import TOKEN
from huggingface_hub import constants
from safetensors.numpy import save_file

from atom.hub import contents
from atom.report import report_files
from atom.tuning.adapter import FILES as ADAPTER


@pytest.fixture
def adapter(tmp_path):
    """An adapter as a run leaves it in the store, beside files that are not part of it."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"r": 8, "base_model_name_or_path": "atom-builtin"}))
    save_file({"layer.lora_A.weight": np.arange(4096, dtype=np.float32)}, folder / "adapter_model.safetensors")
    (folder / "README.md").write_text("---\nlibrary_name: peft\n---\n\n# An adapter\n")
    (folder / "atom.json").write_text("{}")
    (folder / "manifest.json").write_text('{"host": "/home/me"}')
    pq.write_table(pa.table({"step": [1]}), folder / "part-00000.parquet")
    return folder


@pytest.fixture
def pairs(tmp_path):
    folder = tmp_path / "pairs"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("---\nconfigs:\n- config_name: default\n---\n\n# Pairs\n")
    table = pa.table({"prompt": [f"a person jumps {number} times" for number in range(500)]})
    pq.write_table(table, folder / "data" / "train-00000.parquet")
    (folder / ".hidden.json").write_text("{}")
    return folder


@pytest.fixture
def report(tmp_path):
    folder = tmp_path / "20261130-run"
    folder.mkdir()
    for name in ("report.html", "report.md", "report.json", "gains.png", "votes.sqlite", "run.json"):
        (folder / name).write_text(f"this is {name}")
    return folder


def test_the_names_of_the_files_are_those_that_are_written():
    assert contents.ADAPTER_FILES == ADAPTER
    assert (contents.PAGE, contents.MARKDOWN, contents.DATA) == (
        report_files.PAGE,
        report_files.MARKDOWN,
        report_files.DATA,
    )


def test_an_adapter_arrives_byte_for_byte_in_one_commit(atom, hub, adapter):
    status, said, error = atom("push", adapter, "me/adapter", "--yes")
    assert (status, error) == (0, "") and f"{hub.url}/me/adapter: 4 files pushed" in said
    repository = hub.repositories["model/me/adapter"]
    assert repository["files"] == {name: (adapter / name).read_bytes() for name in ADAPTER}
    assert repository["visibility"] == "private" and repository["commits"] == ["Upload adapter with atom"]
    assert any("/lfs/" in request for request in hub.requests)


def test_pairs_become_a_dataset_and_another_card_takes_the_place_of_the_folders(atom, hub, pairs, tmp_path):
    card = tmp_path / "card.md"
    card.write_text("# Better card\n")
    assert atom("push", pairs, "org/motion-prefer", "--public", "--card", card, "--yes")[0] == 0
    repository = hub.repositories["dataset/org/motion-prefer"]
    data = "data/train-00000.parquet"
    assert repository["files"] == {"README.md": card.read_bytes(), data: (pairs / data).read_bytes()}
    assert repository["visibility"] == "public"


def test_a_report_becomes_a_static_space_without_the_votes_of_people(atom, hub, report):
    assert atom("push", report, "me/report", "--yes")[0] == 0
    repository = hub.repositories["space/me/report"]
    assert repository["sdk"] == "static" and repository["visibility"] == "private"
    assert set(repository["files"]) == {"README.md", "report.html", "report.md", "report.json", "gains.png"}
    front = repository["files"]["README.md"].decode()
    assert "sdk: static\napp_file: report.html\n" in front and "20261130-run" in front


def test_a_second_push_replaces_the_files(atom, hub, adapter):
    assert atom("push", adapter, "me/adapter", "--yes")[0] == 0
    (adapter / "README.md").write_text("# New\n")
    assert atom("push", adapter, "me/adapter", "--yes")[0] == 0
    repository = hub.repositories["model/me/adapter"]
    assert repository["files"]["README.md"] == b"# New\n" and len(repository["commits"]) == 2


@pytest.mark.parametrize("offline", [False, True])
def test_without_yes_nothing_is_sent(atom, hub, adapter, monkeypatch, offline):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.delenv("HF_TOKEN")
    status, said, _ = atom("push", adapter, "me/adapter")
    assert status == 0 and hub.requests == []
    assert "adapter_model.safetensors" in said and f"{(adapter / contents.WEIGHTS_FILE).stat().st_size:,}" in said
    assert f"{hub.url}/me/adapter (model, private)" in said and "add --yes" in said


def test_what_should_be_private_is_not_pushed_to_a_public_repository(atom, hub, adapter):
    assert atom("push", adapter, "me/adapter", "--public", "--yes")[0] == 0
    (adapter / "README.md").write_text("# Not for everyone\n")
    status, _, error = atom("push", adapter, "me/adapter", "--yes")
    assert status == 2 and "exists and is public: add --public" in error
    assert b"Not for everyone" not in hub.repositories["model/me/adapter"]["files"]["README.md"]


@pytest.mark.parametrize(
    ("place", "answer", "line"),
    [
        ("/api/models/", 401, "HTTP 401: the token in HF_TOKEN is not valid; make one with write access at"),
        ("/api/repos/create", 403, "HTTP 403: the token may not write there; give it write access to me"),
        ("/api/repos/create", 409, "HTTP 409: someone else changes it at this moment; push again"),
        ("/commit/", 409, "HTTP 409: someone else changes it at this moment; push again"),
        ("/api/repos/create", 429, "HTTP 429: too many requests; wait 17 s, then push again"),
        ("/api/models/", 500, "HTTP 500: the Hub fails; push again later"),
        ("/lfs/", 400, "HTTP 400: the Hub refuses the push"),
    ],
)
def test_an_error_of_the_hub_is_one_line_that_says_what_to_do(atom, hub, adapter, place, answer, line):
    message = "Invalid credentials in Authorization header"
    hub.faults = {place: (answer, {"Retry-After": "17"} | ({"X-Error-Message": message} if answer == 401 else {}))}
    status, said, error = atom("push", adapter, "me/adapter", "--yes")
    assert status == 2 and line in error and error.count("\n") == 1
    assert TOKEN not in said + error
    assert not hub.repositories.get("model/me/adapter", {"files": {}})["files"]


def test_a_wrong_token_is_named_as_such_and_never_printed(atom, hub, adapter, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_" + "wrong" * 7)
    status, said, error = atom("push", adapter, "me/adapter", "--yes")
    assert status == 2 and "HTTP 401: the token in HF_TOKEN is not valid" in error
    assert "wrongwrong" not in said + error and hub.repositories == {}


def test_a_push_needs_a_token_a_network_and_the_hub(atom, hub, adapter, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE=1 forbids an upload; set HF_HUB_OFFLINE=0" in atom("push", adapter, "me/a", "--yes")[2]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    assert "is not https" in atom("push", adapter, "me/a", "--yes")[2]
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "can't reach http://127.0.0.1:9" in atom("push", adapter, "me/a", "--yes")[2]
    monkeypatch.delenv("HF_TOKEN")
    assert "HF_TOKEN is empty: make a token" in atom("push", adapter, "me/a", "--yes")[2]
    assert hub.requests == []


def test_secrets_and_paths_of_this_machine_are_found_before_a_push(atom, hub, adapter, pairs, monkeypatch):
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "/home/me/checkpoints/motiongpt"}')
    status, said, error = atom("push", adapter, "me/adapter", "--yes")
    assert status == 2 and "add --allow-paths" in error
    assert "adapter_config.json: path: /home/me/checkpoints/motiongpt" in said and hub.requests == []
    assert atom("push", adapter, "me/adapter")[0] == 0  # a dry run shows it
    assert atom("push", adapter, "me/adapter", "--yes", "--allow-paths")[0] == 0

    monkeypatch.setenv("MY_API_KEY", "correct-horse-battery")
    for text in ("correct-horse-battery", "https://me:hunter22@tracking.example/x", "sk-" + "a1B2" * 8, TOKEN):
        table = pa.table({"prompt": ["jumps"], "events": [[{"action": text}]]})
        pq.write_table(table, pairs / "data" / "train-00000.parquet", compression="zstd")
        before = len(hub.requests)
        status, said, error = atom("push", pairs, "me/pairs", "--yes", "--allow-paths")
        assert status == 2 and "holds a secret" in error and len(hub.requests) == before
        assert "data/train-00000.parquet: secret:" in said and text not in said + error


@pytest.mark.parametrize("repo", ["adapter", "me/", "me/a/b", "me/a--b", "../a", "me/a.git", "-me/a", "me/a b"])
def test_a_name_that_the_hub_would_refuse_is_refused_first(atom, hub, adapter, repo):
    status, _, error = atom("push", "--yes", "--", adapter, repo)
    assert status == 2 and "write owner/name" in error and hub.requests == []


def test_a_folder_that_is_none_of_the_three_is_refused(atom, adapter, tmp_path):
    assert "no such folder" in atom("push", tmp_path / "nowhere", "me/a")[2]
    (tmp_path / "empty").mkdir()
    assert "holds no adapter" in atom("push", tmp_path / "empty", "me/a")[2]
    (adapter / "atom.json").unlink()
    (adapter / "atom.json").symlink_to("/etc/hostname")
    assert "atom.json: is a link" in atom("push", adapter, "me/a")[2]
    (adapter / "atom.json").unlink()
    (adapter / "README.md").unlink()
    assert "has no README.md; give a card with --card" in atom("push", adapter, "me/a")[2]
