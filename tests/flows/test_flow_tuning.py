"""How a run tunes: rounds that end."""

import pytest

from atom.config import load_config
from atom.errors import AtomError

LEAN = ["evaluation.metrics=null", "evaluation.judges=[kinematic]"]


def adapters(record):
    return [stage["name"] for stage in record["stages"] if stage["name"].startswith("adapter")]


@pytest.mark.slow
def test_rounds_end_with_the_one_that_gains_too_little(tmp_path, run):
    settings = ["rounds=3", "round_prompts=all", "validation.prompts_per_task=2"]
    # 4 is as much as there is between the worst and the best score
    record = run(tmp_path, *LEAN, *settings, "min_round_gain=4", until="tuning")
    assert adapters(record) == ["adapter"]
    again = run(tmp_path, *LEAN, *settings, "min_round_gain=-4", until="tuning")
    assert adapters(again) == ["adapter", "adapter round 2", "adapter round 3"]
    motions = {stage["name"]: stage["rows"] for stage in again["stages"] if stage["name"].startswith("motions")}
    assert motions == dict.fromkeys(["motions", "motions round 2", "motions round 3"], 3 * 4 * 3)
    first = next(stage for stage in again["stages"] if stage["name"] == "motions")
    assert first["reused"] == first["shards"]
    with pytest.raises(AtomError, match=r"min_round_gain is measured in validation"):
        load_config(None, ["min_round_gain=0.1", "validation.prompts_per_task=0"])
