"""`atom report` writes the files of a report from the record and the store, and names what is missing."""

import json
import shutil

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard
from PIL import Image
from report_runs import SCRIPT, paired_run

from atom.report.facts import RunReport
from atom.report.report_files import write_report
from atom.report.run_tables import RunTables
from storage import Store


@pytest.fixture(scope="module")
def written(tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "new"
    write_report(tables, folder)
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    """A store of one's own to break."""
    shutil.copytree(finished.root, tmp_path / "store")
    return Store(str(tmp_path / "store"))


@pytest.mark.slow
def test_every_file_is_there_and_says_the_same(written):
    files = {str(path.relative_to(written)) for path in written.rglob("*") if path.is_file()}
    assert files == {
        "report.html",
        "report.md",
        "report.json",
        "example.webp",
        "gains.png",
        "gains_learned.png",
        "win_rates.png",
        "win_rates_learned.png",
        "score_distributions.png",
        "score_distributions_learned.png",
        "tuning_curves.png",
        "validation_tuning.png",
        "adapter/README.md",
        "preferences/README.md",
    }
    report = RunReport.model_validate_json((written / "report.json").read_text())
    page, text = ((written / name).read_text() for name in ("report.html", "report.md"))
    gain = f"{report.gains['kinematic']['overall'].gain:+.3f}"
    assert gain in page and gain in text
    assert Image.open(written / "gains.png").width > 400
    assert Image.open(written / "example.webp").n_frames > 20


def test_the_markdown_shows_the_plots_beside_it_and_escapes(written):
    text = (written / "report.md").read_text()
    pictures = [line.split("](")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert len(pictures) == 8 and all((written / name).is_file() for name in pictures)
    outside_code = text.split("```")[::2]
    assert not any(SCRIPT in part or "<script" in part.replace("\\<", "") for part in outside_code)
    assert "atom run --config run.yaml" in text and "jump up: missing, asked twice, not seen" in text


def test_the_adapters_card_is_read_by_hugging_face(written, report):
    card = ModelCard((written / "adapter/README.md").read_text())
    assert (card.data.library_name, card.data.base_model) == ("peft", "atom-motion")
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert results["kinematic_mean_score"] == report.gains["kinematic"]["overall"].tuned
    assert results["learned_exact_match"] == report.gains["learned"]["exact_match"].tuned
    assert report.adapter.key in card.text and "<script" not in card.text.split("```")[0].replace("\\<", "")
    config = yaml.safe_load(card.text.split("```yaml\n")[1].split("```")[0])
    assert config == report.config


def test_the_preferences_card_is_that_of_an_export(written):
    card = DatasetCard((written / "preferences/README.md").read_text())
    assert card.data.configs[0]["data_files"] == [{"split": "train", "path": "data/train-00000.parquet"}]
    assert "3 pairs of 3 prompts" in card.text


@pytest.mark.slow
def test_a_report_in_a_remote_store(tmp_path):
    store = paired_run(f"memory://{tmp_path.name}")
    files = write_report(RunTables(store, store.run("paired")))
    assert files["report.html"].endswith("runs/paired/report.html") and "adapter/README.md" not in files
    assert store.files.read("runs/paired/preferences/README.md").startswith(b"---")


@pytest.mark.slow
def test_the_commands(atom, copied, tmp_path):
    status, output, _ = atom("report", "write", "paired", "--store", copied.root)
    assert status == 0 and "report.html" in output
    assert (tmp_path / "store/runs/paired/report.json").is_file() and "adapter" not in output
    status, output, _ = atom("report", "show", "paired", "--store", copied.root, "--json")
    assert status == 0 and json.loads(output)["preferences"]["pairs"] == 3
    status, output, _ = atom("report", "show", "evaluated", "--store", copied.root)
    assert status == 0 and "Summary" in output and "Win rates" in output
    status, _, output = atom("report", "write", "nobody", "--store", copied.root)
    assert status == 2 and "nobody" in output and output.count("\n") == 1
    (tmp_path / "file").write_text("")
    status, _, output = atom("report", "write", "paired", "--store", copied.root, "-o", tmp_path / "file")
    assert status == 2 and "choose another folder" in output and output.count("\n") == 1


def test_what_is_gone_is_told_with_a_remedy_that_works(atom, copied):
    scores = copied.run("evaluated")["stages"][-2]["keys"][0]
    copied.files.remove(f"preferences/{scores}/_manifest.json")
    status, _, output = atom("report", "write", "evaluated", "--store", copied.root)
    assert status == 2 and output.count("\n") == 1
    assert "preferences" in output and "`atom run` with the same config" in output and "--resume" not in output


def test_a_run_that_failed_early_has_a_report_too(copied, tmp_path):
    record = copied.run("evaluated")
    record = {name: record[name] for name in ("config", "stages", "until")} | {"state": "failed"}
    copied.save_run("early", record | {"stages": record["stages"][:1]})
    write_report(RunTables(copied, copied.run("early")), tmp_path / "early")
    text = (tmp_path / "early/report.md").read_text()
    assert "The run is failed; its last stage is 'prompts'" in text
    assert not (tmp_path / "early/adapter").exists()
