"""The metrics of a run: on captions of a dataset with Guo's evaluator, and on the run's own prompts."""

import json

import pytest
from flow_runs import computed
from humanml3d_files import write_dataset, write_evaluator

from atom.errors import AtomError
from storage import Store


@pytest.fixture
def measured(tmp_path):
    """A dataset and an evaluator, as settings of a run."""
    write_dataset(tmp_path / "HumanML3D", train=2, test=34)
    write_evaluator(tmp_path / "t2m", 8, 6, 8, 10)
    (tmp_path / "HumanML3D/texts/000035.txt").write_text("no tags at all\n")
    return [
        f"evaluation.metrics.dataset={tmp_path / 'HumanML3D'}",
        f"evaluation.metrics.evaluator={tmp_path / 't2m/finest.tar'}",
        f"evaluation.metrics.words={tmp_path / 't2m'}",
        "evaluation.metrics.replications=3",
        "evaluation.metrics.samples=2",
        "prompts_per_shard=20",
    ]


@pytest.mark.slow
def test_base_and_tuned_are_measured_on_captions_of_a_dataset(tmp_path, run, measured):
    root = tmp_path / "store"
    record = run(root, *measured)
    stages = {stage["name"]: stage for stage in record["stages"]}
    assert stages["dataset motions base"]["rows"] == stages["dataset motions tuned"]["rows"] == 33 * 2
    assert stages["metrics"]["quarantined"] == 2  # the broken line, and the clip that has no other
    found = {(row["arm"], row["metric"]): row for row in record["metrics"]}
    assert {arm for arm, _ in found} == {"real", "base", "tuned"}
    assert {row["evaluator"] for row in record["metrics"]} == {"guo"}
    assert {row["data"] for row in record["metrics"]} == {"HumanML3D"}
    assert found["real", "fid"]["mean"] == pytest.approx(0, abs=1e-6) and found["base", "fid"]["mean"] > 0
    assert ("base", "multimodality") in found
    assert "Text-to-motion metrics" in (root / "runs" / record["run_id"] / "report.html").read_text()
    assert computed(run(root, *measured)) == {}
    assert computed(run(root, *measured, "evaluation.metrics.variant=motiongpt")) == {"metrics": 1}


@pytest.mark.slow
def test_what_is_missing_is_said_before_any_work(tmp_path, run, measured):
    (tmp_path / "t2m/our_vab_words.pkl").unlink()
    with pytest.raises(AtomError, match=r"our_vab_words\.pkl missing"):
        run(tmp_path / "store", *measured)
    assert json.dumps(Store(str(tmp_path / "store")).runs()) == "[]"
