"""Motions and pairs that were made elsewhere take the place of what would have been made, in a real run."""

import json

import numpy as np
import pytest
from flow_runs import computed

from atom.config import PromptConfig
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.prompts.grammar import write_prompts
from storage import Store


def make_set(folder, split, right, tokens=False, train=4, test=12):
    """A folder of motions as another generator might have made them: of each prompt's candidates the first `right` do
    what the text says, the others nothing but a wave."""
    from atom.events import Event

    folder.mkdir()
    rows = []
    prompts = [p for p in write_prompts(PromptConfig(train_per_task=train, test_per_task=test), 1) if p.split == split]
    for number, prompt in enumerate(prompts):
        for sample in range(3 if split == "train" else 1):
            good = sample < right if split == "train" else number % 4 < right
            rng = np.random.default_rng([number, sample])
            joints = make_motion(prompt.events if good else (Event("bow", 1, ""),), rng).joints
            np.save(folder / f"{number}-{sample}.npy", joints)
            rows.append(
                {
                    "text": prompt.text,
                    "file": f"{number}-{sample}.npy",
                    "sample": sample,
                    **({"tokens": list(range(5 + sample))} if tokens else {}),
                }
            )
    (folder / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.slow
def test_candidates_of_any_generator_are_scored_and_paired(tmp_path, run, atom):
    made = make_set(tmp_path / "mdm", "train", right=1)
    np.save(made / "1-2.npy", np.full((60, 22, 3), np.nan))
    root = tmp_path / "store"
    record = run(root, f"external.candidates={made}", "evaluation.num_examples=2")
    assert record["state"] == "completed" and "evaluation" not in record
    stages = {stage["name"]: stage for stage in record["stages"]}
    assert not {"adapter", "test motions base"} & stages.keys()
    assert stages["motions"]["quarantined"] == 1
    store = Store(str(root))
    pairs = store.read(store.find("preferences", stages["preferences"]["key"])).to_pylist()
    assert pairs and all(row["chosen_motion_id"].endswith("-0") for row in pairs)
    assert not any(row["chosen_tokens"] for row in pairs)
    report = (root / "runs" / record["run_id"] / "report.html").read_text()
    assert "pairs of" in report and report.count('class="motion-viewer"') == 4  # two by each of the two rules

    assert computed(run(root, f"external.candidates={made}", "evaluation.num_examples=2")) == {}

    status, _, said = atom(
        "preferences", "export", "--store", root, "--to", tmp_path / "out", "--form", "atom", "--motions"
    )
    assert status == 0, said
    first = json.loads((tmp_path / "out" / "preference_labels.jsonl").read_text().splitlines()[0])
    assert np.load(tmp_path / "out" / first["sample_1"]["features"]).shape[1] == 263

    with pytest.raises(AtomError, match="no codebook tokens"):
        run(root, f"external.candidates={made}", "external.tune=true")


def make_kimodo_folder(folder):
    """Two samples of four prompts as Kimodo leaves them, at 30 fps: one does what the text says, the other bows."""
    from atom.events import Event

    prompts = [p for p in write_prompts(PromptConfig(train_per_task=4, test_per_task=3), 1) if p.split == "train"][:4]
    for number, prompt in enumerate(prompts):
        (folder / f"{number:02d}").mkdir(parents=True)
        meta = {"text": prompt.text, "num_samples": 2}
        (folder / f"{number:02d}/meta.json").write_text(json.dumps(meta))
        for sample, events in enumerate((prompt.events, (Event("bow", 1, ""),))):
            joints = make_motion(events, np.random.default_rng([number, sample])).joints
            times = np.arange(round((len(joints) - 1) * 1.5) + 1) / 1.5
            before = np.minimum(times.astype(int), len(joints) - 2)
            weight = (times - before)[:, None, None]
            at_30_fps = joints[before] * (1 - weight) + joints[before + 1] * weight
            rotations = np.broadcast_to(np.eye(3, dtype=np.float32), (*at_30_fps.shape, 3))
            arrays = {"posed_joints": at_30_fps.astype(np.float32), "global_rot_mats": rotations}
            np.savez(folder / f"{number:02d}/motion_{sample:02d}.npz", **arrays)
    return folder


@pytest.mark.slow
def test_a_folder_as_its_generator_left_it_reaches_scored_pairs(tmp_path, run):
    folder, root = make_kimodo_folder(tmp_path / "kimodo"), tmp_path / "store"
    record = run(root, f"external.candidates={folder}")
    stages = {stage["name"]: stage for stage in record["stages"]}
    assert (stages["prompts"]["rows"], stages["motions"]["rows"], stages["motions"]["quarantined"]) == (4, 8, 0)
    store = Store(str(root))
    pairs = store.read(store.find("preferences", stages["preferences"]["key"])).to_pylist()
    assert pairs and all(row["chosen_motion_id"].endswith("-0") for row in pairs)


@pytest.mark.slow
def test_base_and_tuned_of_another_generator_are_compared(tmp_path, run):
    base, tuned = (make_set(tmp_path / name, "test", right) for name, right in (("base", 1), ("tuned", 3)))
    record = run(tmp_path / "store", f"external.base={base}", f"external.tuned={tuned}")
    figures = record["evaluation"]["kinematic"]["overall"]
    assert figures["n"] == 36 and figures["gain_low"] > 0
    metrics = {(row["arm"], row["metric"]): row["mean"] for row in record["metrics"]}
    assert metrics["tuned", "fid"] < metrics["base", "fid"]
    assert metrics["tuned", "r_precision_3"] > metrics["base", "r_precision_3"]


@pytest.mark.slow
def test_pairs_of_elsewhere_are_tuned_on(tmp_path, run, atom):
    first = run(tmp_path / "store", until="preferences")
    status, _, said = atom("preferences", "export", "--store", tmp_path / "store", "--to", tmp_path / "out")
    assert status == 0, said
    record = run(tmp_path / "other", f"external.preferences={tmp_path / 'out'}")
    stages = {stage["name"]: stage for stage in record["stages"]}
    assert "motions" not in stages and "scores" not in stages
    assert stages["preferences"]["rows"] == next(s["rows"] for s in first["stages"] if s["name"] == "preferences")
    assert record["evaluation"]["kinematic"]["overall"]["n"] == 9


@pytest.mark.slow
def test_candidates_with_tokens_can_be_tuned_on(tmp_path, run):
    made = make_set(tmp_path / "made", "train", right=1, tokens=True)
    record = run(tmp_path / "store", f"external.candidates={made}", "external.tune=true")
    names = [stage["name"] for stage in record["stages"]]
    assert names.index("imported prompts") < names.index("motions") < names.index("adapter")
    assert record["evaluation"]["kinematic"]["overall"]["n"] == 9


@pytest.mark.slow
def test_labels_of_people_are_tuned_on_as_atom_does(tmp_path, run, shared):
    """The peers' sample: of 12 pairs two are skipped and three unsure."""
    labels = f"external.preferences={shared / 'parity/preference_labels/data/preference_labels.jsonl'}"
    rows = []
    for unsure, until in (("false", "preferences"), ("true", "tuning")):
        record = run(tmp_path / "store", labels, f"external.include_unsure_pairs={unsure}", until=until)
        (stage,) = (stage for stage in record["stages"] if stage["name"] == "preferences")
        rows.append((stage["rows"], stage["quarantined"]))
    assert rows == [(7, 3), (10, 0)] and computed(record) == {"preferences": 1, "adapter": 1}
