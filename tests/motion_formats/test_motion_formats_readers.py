"""Each format's layout, from a motion that is known at every time: joints within 1 mm, rate, axis, unit, text."""

import numpy as np
import pytest

from atom.errors import AtomError
from atom.motion.features import features_to_joints, joints_to_features
from atom.motion.skeleton import JOINT_INDEX
from atom.motion_formats.conversion import SourceSettings
from atom.motion_formats.formats import FORMATS, read_converted, read_sources, recognise
from atom.motion_formats.readers.kit import features_to_positions
from atom.motion_formats.skeletons import HUMANML3D, SOMA_30, SOMA_77
from atom.motion_formats.smpl_skeleton import SMPLX_NEUTRAL
from tests.motion_formats.source_files import (
    TEXT,
    expected,
    features_272,
    frame_times,
    joints_at,
    smpl_parameters,
    soma_arrays,
    write_json,
    write_mdm,
    write_mld,
)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
    return path


def save_arrays(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def at(fps):
    return joints_at(frame_times(fps)).astype(np.float32)


def kimodo(folder, skeleton):
    write_json(folder / "meta.json", {"text": TEXT, "duration": len(frame_times(30)) / 30})
    return save_arrays(folder / "motion_01.npz", **soma_arrays(skeleton, 30))


def amass(folder, fps, **more):
    poses, trans = smpl_parameters(fps, z_up=True)
    (folder / "clip.txt").write_text(TEXT)
    return save_arrays(folder / "clip.npz", poses=poses, trans=trans, betas=np.zeros(16), **more)


def kimodo_amass(folder):
    poses, trans = smpl_parameters(30, SMPLX_NEUTRAL, z_up=True)
    parts = {"root_orient": poses[:, :3], "pose_body": poses[:, 3:66], "trans": trans, "betas": np.zeros(16)}
    more = {"gender": "neutral", "surface_model_type": "smplx", "mocap_frame_rate": 30.0}
    return save_arrays(folder / "walk_amass.npz", **parts, **more)


def hy_motion(folder):
    poses, trans = smpl_parameters(30)
    write_json(folder / "20261130_ab_meta.json", {"text": TEXT, "text_rewrite": ["other words"], "num_samples": 2})
    arrays = {"gender": np.array(["neutral"]), "Rh": poses[:, :3], "trans": trans, "poses": poses}
    return save_arrays(folder / "20261130_ab_001.npz", betas=np.zeros((1, 16)), **arrays)


def motion_million(folder):
    (folder / "0_text.txt").write_text(TEXT + "\n")
    return save(folder / "0_predict.npy", features_272())


def motiongpt(folder, array):
    (folder / "7_in.txt").write_text(TEXT)
    return save(folder / "7_out.npy", array)


# name of the format, the file, its rate, and the body of the file where it isn't SMPL's
LAYOUTS = {
    "mdm": ("mdm", lambda f: write_mdm(f / "results.npy", [at(20)], [TEXT]), 20),
    "momask": ("momask", lambda f: save(f / "joints/3/sample3_repeat1_len61.npy", at(20)), 20),
    "mardm": ("momask", lambda f: save(f / f"caption:{TEXT}_sample0_repeat2_len61.npy", at(20)), 20),
    "motiongpt joints": ("motiongpt", lambda f: motiongpt(f, at(20)[None]), 20),
    "t2m-gpt": ("motiongpt", lambda f: save(f / "a_pred.npy", at(20)[None]), 20),
    "mld": ("mld", lambda f: write_mld(f / "sample_id_0_length_61_rep_3.pkl", at(20)), 20),
    "kimodo soma 77": ("kimodo", lambda f: kimodo(f, SOMA_77), 30),
    "kimodo soma 30": ("kimodo", lambda f: kimodo(f, SOMA_30), 30),
    "kimodo smpl-x": ("kimodo", lambda f: kimodo(f, HUMANML3D), 30),
    "kimodo amass": ("smpl", kimodo_amass, 30),
    "hy-motion": ("hy-motion", hy_motion, 30),
    "amass smpl-h": ("smpl", lambda f: amass(f, 120, mocap_framerate=np.array(120.0), gender=np.array("neutral")), 120),
    "amass odd rate": (
        "smpl",
        lambda f: amass(f, 60, mocap_framerate=60.00002288818359, gender=np.array(b"neutral")),
        60,
    ),
    "motionmillion": ("motionmillion", motion_million, 30),
    "joints 24": ("joints", lambda f: save(f / "a.npy", np.concatenate([at(20), at(20)[:, 20:]], axis=1)), 20),
    "joints with fps": ("joints", lambda f: save_arrays(f / "a.npz", joints=at(50), fps=50), 50),
    "joints flat": ("joints", lambda f: save(f / "a.npy", at(20).reshape(-1, 66)), 20),
    "frames last": ("joints", lambda f: save(f / "a.npy", at(20).transpose(1, 2, 0)), 20),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_format_is_read_as_its_generator_writes_it(tmp_path, layout):
    name, write, fps = LAYOUTS[layout]
    path = write(tmp_path)
    assert recognise(path).name == name
    settings = SourceSettings(fps=20) if name == "joints" and fps == 20 else None
    motion = read_converted(path, settings)
    truth = expected(fps, SMPLX_NEUTRAL if layout == "kimodo amass" else expected.__defaults__[1])
    assert motion.joints.shape == truth.shape and motion.joints.dtype == np.float32
    moved = motion.joints - motion.joints[0, 0] * [1, 0, 1] - (truth - truth[0, 0] * [1, 0, 1])
    if layout == "motionmillion":  # starts at the origin, facing ahead: the walk begins there too
        moved = motion.joints - (truth - truth[0, 0] * [1, 0, 1])
    floor = motion.record.floor
    assert np.abs(moved - [0, floor, 0]).max() < 1e-3
    assert motion.record.fps == pytest.approx(fps, abs=1e-3) and motion.record.metres == 1
    if name not in ("joints", "smpl") and layout not in ("momask", "t2m-gpt", "kimodo smpl-x"):
        assert motion.text == TEXT
    assert motion.sample == {"momask": 1, "mardm": 2, "mld": 3, "hy-motion": 1}.get(
        layout, 1 if layout.startswith("kimodo s") else None
    )


def test_features_are_at_20_fps_and_in_metres_by_their_format(tmp_path):
    features = joints_to_features(at(20))
    for array in (features, features[None]):
        motion = read_converted(save(tmp_path / "f.npy", array))
        assert motion.record.format == "humanml3d-features" and motion.record.fps_from == "format"
        assert len(motion.joints) == len(features)


def test_a_text_beside_an_array_is_its_text(tmp_path):
    path = save(tmp_path / "a.npy", at(20))
    (tmp_path / "a.txt").write_text("a person\n walks ")
    assert read_sources(path)[0].text == "a person walks"


def test_every_motion_of_mdm_is_read_to_its_length_and_dynamic_texts_are_joined(tmp_path):
    path = write_mdm(tmp_path / "results.npy", [at(20), at(20)[:40]], [["walks.", "runs."], ["sits"]])
    sources = read_sources(path)
    assert [len(source) for source in sources] == [61, 40]
    assert [source.text for source in sources] == ["walks, then runs", "sits"]
    with pytest.raises(AtomError, match=r"holds 2 motions \(mdm\): `atom motions import`"):
        read_converted(path)
    assert len(read_converted(path, number=1).joints) == 40


def test_a_rate_that_a_fork_writes_counts(tmp_path):
    path = write_mdm(tmp_path / "results.npy", [at(30)], [TEXT], fps=30)
    motion = read_converted(path)
    assert motion.record.fps == 30 and motion.record.fps_from == "file"
    assert np.abs(motion.joints - expected(30)).max() < 1e-3


def test_kimodos_rate_follows_from_its_duration_and_is_30_without_one(tmp_path):
    path = kimodo(tmp_path, SOMA_77)
    write_json(tmp_path / "meta.json", {"text": TEXT, "duration": len(frame_times(30)) / 25})
    assert read_converted(path).record.fps == 25
    write_json(
        tmp_path / "meta.json",
        {"texts": ["a person walks.", "he sits"], "durations": [1, len(frame_times(30)) / 50 - 1]},
    )
    assert read_converted(path).record.fps == 50
    (tmp_path / "meta.json").unlink()
    motion = read_converted(path)
    assert (motion.record.fps, motion.record.fps_from, motion.text) == (30, "format", None)


def test_the_body_of_smpl_parameters_is_on_record(tmp_path):
    motion = read_converted(amass(tmp_path, 30, mocap_framerate=30, gender=np.array("female")))
    assert motion.record.remarks == ("body of mean shape (smplh, female), the file's shape needs the model's file",)


def test_a_model_of_ones_own_gives_the_shape(tmp_path, monkeypatch):
    """A model of three vertices a joint, whose only shape direction makes the body 10 % larger."""
    rest = np.repeat(SMPLX_NEUTRAL * [1, 1, 1], 3, axis=0)
    regressor = np.repeat(np.eye(22), 3, axis=1) / 3
    save_arrays(
        tmp_path / "smplh/neutral/model.npz", v_template=rest, shapedirs=rest[..., None] * 0.1, J_regressor=regressor
    )
    monkeypatch.setenv("ATOM_BODY_MODELS", str(tmp_path))
    poses, trans = smpl_parameters(30, SMPLX_NEUTRAL * 1.1, z_up=True)
    path = save_arrays(tmp_path / "x.npz", poses=poses, trans=trans, betas=np.ones(1), mocap_framerate=30)
    motion = read_converted(path)
    truth = expected(30, SMPLX_NEUTRAL * 1.1)
    assert np.abs(motion.joints - truth - [0, motion.record.floor, 0]).max() < 1e-3
    assert motion.record.remarks[0] == "body of the smplh model with the file's shape"


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_the_table_says_how_each_format_is_recognised(form):
    assert form.written_by and form.recognised_by and form.skeleton


KIT_FROM_OURS = {  # the joints of KIT-ML's skeleton that ours has too
    0: "pelvis", 3: "neck", 4: "head", 5: "r_shoulder", 6: "r_elbow", 7: "r_wrist", 8: "l_shoulder", 9: "l_elbow",
    10: "l_wrist", 11: "r_hip", 12: "r_knee", 13: "r_ankle", 15: "r_foot", 16: "l_hip", 17: "l_knee", 18: "l_ankle",
    20: "l_foot",
}  # fmt: skip


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_kit_ml_has_its_right_side_first_and_any_unit(tmp_path, unit):
    ours = joints_at(frame_times(12.5))
    kit = np.zeros((len(ours), 21, 3))
    for joint, name in KIT_FROM_OURS.items():
        kit[:, joint] = ours[:, JOINT_INDEX[name]]
    kit[:, 1], kit[:, 2] = ours[:, JOINT_INDEX["spine1"]], ours[:, JOINT_INDEX["spine3"]]
    kit[:, 14], kit[:, 19] = (kit[:, 13] + kit[:, 15]) / 2, (kit[:, 18] + kit[:, 20]) / 2
    motion = read_converted(save(tmp_path / "a.npy", kit * unit))
    assert (motion.record.format, motion.record.fps) == ("kit-joints", 12.5)
    assert motion.record.metres == pytest.approx(1 / unit)
    truth = expected(12.5)
    shared = [JOINT_INDEX[name] for name in KIT_FROM_OURS.values()]
    # The slow rate costs a millimetre or two of the fastest swings.
    assert np.abs(motion.joints[:, shared] - truth[:, shared] - [0, motion.record.floor, 0]).max() < 5e-3


def test_kit_mls_features_follow_the_rules_of_humanml3ds():
    features = joints_to_features(at(20))
    with_22_joints = np.abs(features_to_joints(features) - features_to_positions(features, joints=22))
    assert with_22_joints.max() < 1e-5
