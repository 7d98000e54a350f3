"""`atom motions`: what the commands write, print and refuse."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from atom.commands.motions import motions_app
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import Event
from atom.external.motion_set import read_prompts
from atom.motion.features import joints_to_features
from atom.motion_formats.motion_files import read_motion

BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Spine { OFFSET 0 20 0 CHANNELS_OF
    JOINT Neck { OFFSET 0 30 0 CHANNELS_OF
      JOINT Head { OFFSET 0 10 2 CHANNELS_OF } } ARMS }
  LEGS
}
MOTION
Frames: 10
Frame Time: 0.1
"""
ARM = """JOINT {s}Arm {{ OFFSET {x}15 28 0 CHANNELS_OF
JOINT {s}ForeArm {{ OFFSET {x}27 0 0 CHANNELS_OF
JOINT {s}Hand {{ OFFSET {x}25 0 0 CHANNELS_OF }} }} }}
"""
LEG = """JOINT {s}UpLeg {{ OFFSET {x}9 -5 0 CHANNELS_OF
JOINT {s}Leg {{ OFFSET 0 -42 0 CHANNELS_OF
JOINT {s}Foot {{ OFFSET 0 -40 0 CHANNELS_OF
End Site {{ OFFSET 0 -8 13
}} }} }} }}
"""


def standing_bvh():
    """Ten frames at 10 fps of a body that stands and turns; each joint with its braces on one line or several."""
    limbs = {
        name: "".join(limb.format(s=s, x=x) for s, x in (("Left", ""), ("Right", "-")))
        for name, limb in (("ARMS", ARM), ("LEGS", LEG))
    }
    text = BVH.replace("ARMS", limbs["ARMS"]).replace("LEGS", limbs["LEGS"])
    text = text.replace(" CHANNELS_OF", "\nCHANNELS 3 Zrotation Xrotation Yrotation\n").replace("{ OFFSET", "{\nOFFSET")
    frames = [f"0 95 0 0 0 {turn} " + "0 " * 45 for turn in range(0, 100, 10)]
    return text + "\n".join(frames) + "\n"


def run(*arguments):
    return CliRunner().invoke(motions_app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def body():
    return make_motion([Event("jump_up", 2)], np.random.default_rng(0)).joints


@pytest.fixture
def generated(tmp_path, body):
    folder = tmp_path / "generated"
    folder.mkdir()
    np.save(folder / "a.npy", body)
    np.save(folder / "b.npy", body[:2])
    (folder / "c.bvh").write_text(standing_bvh())
    rows = [
        ("a person jumps twice", "a.npy"),
        ("a person jumps twice", "b.npy"),
        ("a person bows", "c.bvh"),
        ("a red table", "a.npy"),
        ("a person bows", "../a.npy"),
    ]
    lines = [json.dumps({"text": text, "file": file}) for text, file in rows]
    (folder / "index.jsonl").write_text("\n".join(lines))
    return folder


def test_check_counts_what_can_be_used_and_names_the_rest(generated, body):
    result = run("check", generated, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["motions"], found["prompts"], found["with_tokens"]) == (2, 2, 0)
    assert found["tasks"] == {"frequency": 1, "integrity": 1} and found["splits"] == {"train": 2}
    assert found["frames"] == {"least": 19, "most": len(body), "median": len(body)}
    assert [(row["what"], row["where"][-1]) for row in found["quarantined"]] == [
        ("row", "5"),
        ("prompt", "4"),
        ("motion", "2"),
    ]
    result = run("check", generated)
    assert result.exit_code == 0
    for words in (
        "2 of 2 prompts",
        "1 frequency, 1 integrity",
        "prompt, index.jsonl, line 4",
        "has 2 frames",
        "a red table",
    ):
        assert words in result.stdout, result.stdout


def test_check_fails_where_nothing_can_be_used(tmp_path, body):
    np.save(tmp_path / "a.npy", body)
    (tmp_path / "index.csv").write_text("text,file\na [red]table[/] of wood,a.npy\n")
    result = run("check", tmp_path)
    assert result.exit_code == 1 and "[red]table[/] of wood" in result.stdout
    with pytest.raises(AtomError, match="no such file"):
        run_raising("check", tmp_path / "b.jsonl", "--json")


def run_raising(*arguments):
    raise run(*arguments).exception


def test_convert_writes_joints_or_features_of_a_file(generated, tmp_path, body):
    assert run("convert", generated / "c.bvh", tmp_path / "c.npy").exit_code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "c.npy"), read_motion(generated / "c.bvh"))
    assert np.load(tmp_path / "c.npy").shape == (19, 22, 3)
    assert run("convert", generated / "a.npy", tmp_path / "f.npy", "--features").exit_code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), joints_to_features(body))
    with pytest.raises(AtomError, match="has 2 frames"):
        run_raising("convert", generated / "b.npy", tmp_path / "b.npy")
    with pytest.raises(AtomError, match=r"ends in \.npy"):
        run_raising("convert", generated / "a.npy", tmp_path / "a.fbx")


def test_convert_writes_bvh_of_joints_or_features_one_or_a_folder(generated, tmp_path, body):
    np.save(generated / "f.npy", joints_to_features(body))
    for name in ("a", "f"):
        assert run("convert", generated / f"{name}.npy", tmp_path / f"{name}.bvh").exit_code == 0
        joints = read_motion(generated / f"{name}.npy")
        assert np.abs(read_motion(tmp_path / f"{name}.bvh") - joints).max() < 0.005  # its trunk gives a little
    result = run("convert", generated, tmp_path / "out", "--bvh")
    assert result.exit_code == 1 and "3 of 4 motions" in result.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.bvh", "c.bvh", "f.bvh"}
    assert (tmp_path / "out/a.bvh").read_bytes() == (tmp_path / "a.bvh").read_bytes()
    with pytest.raises(AtomError, match="choose --to, --features or --bvh"):
        run_raising("convert", generated, tmp_path / "out", "--bvh", "--features")
    with pytest.raises(AtomError, match=r"must end in \.bvh"):
        run_raising("convert", generated / "a.npy", tmp_path / "a.npy", "--bvh")


def test_convert_writes_skinned_bodies_and_smpl_parameters(generated, tmp_path):
    assert run("convert", generated / "a.npy", tmp_path / "a.glb").exit_code == 0
    assert (tmp_path / "a.glb").read_bytes()[:4] == b"glTF"
    assert run("convert", generated / "a.npy", tmp_path / "a.npz", "--to", "amass").exit_code == 0
    assert np.load(tmp_path / "a.npz")["poses"].shape == (65, 156)
    assert run("convert", generated, tmp_path / "out", "--to", "glb").exit_code == 1  # b.npy is no motion
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.glb", "c.glb"}
    with pytest.raises(AtomError, match=r"say --to amass, or name a \.npy"):
        run_raising("convert", generated / "a.npy", tmp_path / "a.npz")
    with pytest.raises(AtomError, match=r"must end in \.glb"):
        run_raising("convert", generated / "a.npy", tmp_path / "a.npy", "--to", "glb")


def test_convert_writes_a_folder_like_it_and_names_what_is_no_motion(generated, tmp_path, body):
    (generated / "deep").mkdir()
    np.savez(generated / "deep/d.npz", joints=body)
    result = run("convert", generated, tmp_path / "out")
    assert result.exit_code == 1 and "3 of 4 motions" in result.stdout and "b.npy" in result.stdout
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.npy")}
    assert written == {"a.npy", "c.npy", "deep/d.npy"}
    np.testing.assert_array_equal(np.load(tmp_path / "out/deep/d.npy"), body)
    with pytest.raises(AtomError, match="write to another folder"):
        run_raising("convert", generated, generated / "out")
    (generated / "c.npy").write_bytes((generated / "a.npy").read_bytes())
    with pytest.raises(AtomError, match=r"several files would become .*c\.npy"):
        run_raising("convert", generated, tmp_path / "out")


def test_prompts_are_written_for_a_foreign_generator(tmp_path):
    result = run("prompts", tmp_path / "p.jsonl", "--set", "prompts.train_per_task=2", "--set", "test_per_task=1")
    assert result.exit_code == 0 and "9 prompts, 6 train, 3 test" in result.stdout
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [row["split"] for row in rows] == ["train"] * 6 + ["test"] * 3
    assert set(rows[0]) == {"prompt_id", "text", "task", "events", "split"} and rows[0]["events"][0]["phrase"]
    with pytest.raises(AtomError, match="unknown config key 'trains'"):
        run_raising("prompts", tmp_path / "p.jsonl", "--set", "prompts.trains=2")
    with pytest.raises(AtomError, match="writer to grammar or captions"):
        run_raising("prompts", tmp_path / "p.jsonl", "--set", "prompts.writer=llm")


def test_captions_are_written_for_a_foreign_generator(tmp_path):
    texts = {"train": "a man juggles", "test": "a man hurls a ball"}
    rows = [{"text": text, "split": split} for split, text in texts.items()] + [{"text": "a red table"}]
    (tmp_path / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = ["writer=captions", f"captions={tmp_path / 'captions.jsonl'}", "tasks=[integrity]"]
    settings += ["train_per_task=1", "test_per_task=1"]
    options = [word for setting in settings for word in ("--set", f"prompts.{setting}")]
    result = run("prompts", tmp_path / "p.jsonl", *options)
    assert result.exit_code == 0 and "2 prompts, 1 train, 1 test; 1 captions are set aside" in result.stdout
    prompts = read_prompts(tmp_path / "p.jsonl")
    assert {(prompt.split, prompt.text) for prompt in prompts} == set(texts.items())
    assert [event.action for prompt in prompts for event in prompt.events] == ["juggle", "hurl ball"]


GENERATOR = """
import numpy as np
from beside import BODY

class Mine:
    name = "mine"

    def motions(self, texts, seeds):
        return [np.full((8, 22, 3), np.nan) if "bow" in text else BODY for text in texts]

class Nameless:
    motions = Mine.motions

class Motionless:
    name = "motionless"
"""


def test_make_asks_the_users_own_class_and_its_folder_can_be_checked(tmp_path, body):
    np.save(tmp_path / "body.npy", body)
    (tmp_path / "beside.py").write_text(f"import numpy as np\nBODY = np.load({str(tmp_path / 'body.npy')!r})\n")
    (tmp_path / "mine.py").write_text(GENERATOR)
    prompts = [{"text": "a person jumps twice"}, {"text": "a person bows"}, {"text": "a person claps", "split": "test"}]
    (tmp_path / "p.jsonl").write_text("\n".join(json.dumps(row) for row in prompts))
    call = ["make", tmp_path / "p.jsonl", tmp_path / "out", "--samples", 2, "--by"]
    result = run(*call, f"{tmp_path}/mine.py:Mine")
    assert result.exit_code == 0, result.exception
    assert "2 motions generated, 0 were already there" in result.stdout and "2 are not motions" in result.stdout
    result = run(*call, f"{tmp_path}/mine.py:Mine", "--split", "all")
    assert "2 motions generated, 2 were already there" in result.stdout
    found = json.loads(run("check", tmp_path / "out", "--json").stdout)
    assert (found["motions"], found["prompts"], found["splits"]) == (4, 2, {"train": 1, "test": 1})
    for by, message in (
        ("mine.py", "must be FILE.py:NAME"),
        (f"{tmp_path}/none.py:Mine", "there is no file"),
        (f"{tmp_path}/mine.py:Yours", "defines no Yours"),
        (f"{tmp_path}/mine.py:Nameless", "Nameless of .* needs a `name` and a method"),
        (f"{tmp_path}/mine.py:Motionless", "Motionless of .* needs a `name` and a method"),
    ):
        with pytest.raises(AtomError, match=message):
            run_raising(*call, by)
    with pytest.raises(AtomError, match="no prompt of the split val"):
        run_raising(*call, f"{tmp_path}/mine.py:Mine", "--split", "val")
    with pytest.raises(AtomError, match="unknown split"):
        run_raising(*call, f"{tmp_path}/mine.py:Mine", "--split", "dev")


def test_motions_are_drawn_as_a_clip_a_grid_and_a_sheet(body, tmp_path):
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", body)
    clip = run("render", tmp_path / "a.npy", "-o", tmp_path / "one.gif", "--size", 64, "--view", "orbit")
    assert clip.exit_code == 0 and "one.gif" in clip.stdout
    with Image.open(tmp_path / "one.gif") as picture:
        assert picture.size == (64, 64)
    run("render", tmp_path / "a.npy", tmp_path / "b.npy", "-o", tmp_path / "two.webp", "--size", 64, "--title", "both")
    with Image.open(tmp_path / "two.webp") as picture:
        assert picture.width == 130 and picture.n_frames == len(body)
    run("render", tmp_path / "a.npy", "-o", tmp_path / "sheet.png", "--size", 64, "--columns", 2, "--every", 10)
    with Image.open(tmp_path / "sheet.png") as picture:
        assert 128 < picture.width < 140 and picture.height > 64 * len(body) // 20
    both = run("render", tmp_path / "a.npy", tmp_path / "b.npy", "-o", tmp_path / "sheet.png")
    assert isinstance(both.exception, AtomError) and "one motion" in str(both.exception)
    assert "side" in run("render", "--help").stdout
