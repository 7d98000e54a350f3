"""Reads motions of every format and fails where one is not right in joints, rate, axis, unit or length.

Run `python tests/benchmarks/verify_formats.py`. Joints of layouts are compared with a motion that is known at every
time, written as each generator writes it. Real files are compared with a plain computation of their own here, at the
frames whose times both have; they lie in ../shared/data and are skipped where that is absent.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "motion_formats"))

from bvh_figures import build_figure

from atom.errors import AtomError
from atom.external.motion_set import read_motion_set
from atom.motion.features import joints_to_features
from atom.motion.skeleton import FPS, JOINT_INDEX, JOINT_NAMES, PARENTS
from atom.motion_formats.array_pickle import load_arrays
from atom.motion_formats.conversion import ConvertedMotion, SourceSettings
from atom.motion_formats.formats import FORMATS, read_converted
from atom.motion_formats.kinematics import positions_at
from atom.motion_formats.motion_folder import list_motion_files
from atom.motion_formats.skeletons import HUMANML3D
from atom.motion_formats.smpl_skeleton import SMPL_NEUTRAL, SMPLX_NEUTRAL
from atom.motion_formats.source_motion import SourceMotion
from tests.motion_formats.source_files import expected, frame_times, joints_at, smpl_parameters
from tests.motion_formats.test_motion_formats_joint_matching import SKELETONS
from tests.motion_formats.test_motion_formats_readers import KIT_FROM_OURS, LAYOUTS

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
MOST_OFF = 1e-3  # metres
missed: list[str] = []


@dataclass(frozen=True)
class Row:
    """What was read of a file beside what it must be; `truth` (T', J, 3) stands at every `every`-th frame."""

    form: str
    file: str
    motion: ConvertedMotion
    truth: np.ndarray
    fps: float
    up: str = "y"
    metres: float = 1.0
    frames: int | None = None
    joints: tuple[int, ...] = tuple(range(22))
    every: int = 1

    def faults(self) -> list[str]:
        record, found = self.motion.record, []
        if self.off() > MOST_OFF:
            found.append("joints")
        if abs(record.fps / self.fps - 1) > 1e-4:
            found.append("fps")
        if record.up != self.up:
            found.append("up")
        if abs(record.metres / self.metres - 1) > 1e-6:
            found.append("unit")
        if len(self.motion.joints) != (self.frames or len(self.truth)):
            found.append("length")
        return found

    def off(self) -> float:
        """The farthest joint in metres; the place on the floor is free, as some formats begin at the origin."""
        ours = self.motion.joints[:: self.every, list(self.joints)].astype(float)
        count = min(len(ours), len(self.truth))
        ours, truth = ours[:count] - [0, self.motion.record.floor, 0], self.truth[:count]
        horizontal = np.array([1, 0, 1])
        return float(np.linalg.norm(ours - ours[0, 0] * horizontal - truth + truth[0, 0] * horizontal, axis=-1).max())


def frames_at_20(frames: int, fps: float) -> int:
    return int((frames - 1) * FPS / fps + 1e-3) + 1


def layouts(folder: Path) -> Iterator[Row]:
    for number, (layout, (form, write, fps)) in enumerate(LAYOUTS.items()):
        place = folder / str(number)
        place.mkdir()
        settings = SourceSettings(fps=20) if form == "joints" and fps == 20 else None
        path = write(place)
        rest = SMPLX_NEUTRAL if layout == "kimodo amass" else SMPL_NEUTRAL
        up = "z" if form == "smpl" else "y"
        yield Row(form, layout, read_converted(path, settings), expected(fps, rest), fps, up)
    yield from parameters_of_smplx(folder)
    yield from bvh_layouts(folder)
    yield from kit(folder)
    features = joints_to_features(joints_at(frame_times(20)))
    np.save(folder / "features.npy", features)
    motion = read_converted(folder / "features.npy")
    yield Row("humanml3d-features", "features", motion, recovered(features), 20)


def parameters_of_smplx(folder: Path) -> Iterator[Row]:
    """AMASS's SMPL-X files, and DART's exports."""
    poses, trans = smpl_parameters(120, SMPLX_NEUTRAL, z_up=True, values=165)
    parts = {"root_orient": poses[:, :3], "pose_body": poses[:, 3:66], "pose_jaw": poses[:, 66:69], "trans": trans}
    path = folder / "walk_stageii.npz"
    np.savez(path, poses=poses, gender="female", surface_model_type="smplx", mocap_frame_rate=120.0, **parts)
    yield Row("smpl", "amass smpl-x", read_converted(path), expected(120, SMPLX_NEUTRAL), 120, "z")
    poses, trans = smpl_parameters(30, SMPLX_NEUTRAL, z_up=True, values=165)
    path = folder / "sample_0_smplx.npz"
    np.savez(path, poses=poses, trans=trans, betas=np.zeros(10), gender="male", mocap_framerate=30)
    yield Row("smpl", "dart", read_converted(path), expected(30, SMPLX_NEUTRAL), 30, "z")


def bvh_layouts(folder: Path) -> Iterator[Row]:
    """The walk of a corpus with the joints of each program, in centimetres."""
    for program, (sides, *lines) in SKELETONS.items():
        figure, matches = build_figure(*lines, sides=sides)
        path = folder / "walk.bvh"
        path.write_text(figure.scaled(100).text())
        names = [name for name in JOINT_NAMES if name in matches and not name.startswith("spine")]
        truth = figure.positions()[:, [matches[name] for name in names]]
        joints = tuple(JOINT_INDEX[name] for name in names)
        yield Row("bvh", f"joints of {program}", read_converted(path), truth, 20, metres=0.01, joints=joints)


def kit(folder: Path) -> Iterator[Row]:
    """KIT-ML's joints in millimetres; 12.5 and 20 fps have the times k * 0.4 s in common."""
    ours = joints_at(frame_times(12.5))
    joints = np.zeros((len(ours), 21, 3))
    for joint, name in KIT_FROM_OURS.items():
        joints[:, joint] = ours[:, JOINT_INDEX[name]]
    joints[:, 1], joints[:, 2] = ours[:, JOINT_INDEX["spine1"]], ours[:, JOINT_INDEX["spine3"]]
    joints[:, 14], joints[:, 19] = (joints[:, 13] + joints[:, 15]) / 2, (joints[:, 18] + joints[:, 20]) / 2
    np.save(folder / "kit.npy", 1000 * joints)
    shared = tuple(JOINT_INDEX[name] for name in KIT_FROM_OURS.values())
    motion, frames = read_converted(folder / "kit.npy"), frames_at_20(len(ours), 12.5)
    truth = ours[::5][:, list(shared)]
    yield Row("kit-joints", "kit-ml", motion, truth, 12.5, "y", 0.001, frames, shared, 8)


def recovered(features: np.ndarray) -> np.ndarray:
    """The joints of HumanML3D's features, as complex numbers on the floor: x + i z."""
    turns = np.exp(2j * np.concatenate([[0], np.cumsum(features[:-1, 0])]))
    steps = np.concatenate([[0], features[:-1, 1] + 1j * features[:-1, 2]])
    places = np.cumsum(steps * turns)
    joints = np.zeros((len(features), 22, 3))
    local = features[:, 4:67].reshape(-1, 21, 3)
    floor = (local[..., 0] + 1j * local[..., 2]) * turns[:, None] + places[:, None]
    joints[:, 1:] = np.stack([floor.real, local[..., 1], floor.imag], axis=-1)
    joints[:, 0] = np.stack([places.real, features[:, 3], places.imag], axis=-1)
    return joints


def bvh_joints(path: Path, names: list[str]) -> tuple[np.ndarray, float]:
    """Joints by name in a file's own unit, rotation after rotation, and its frame time; position channels replace."""
    words = path.read_text().split()
    motion = words.index("MOTION")
    joints: dict[str, tuple[str | None, np.ndarray, list[str]]] = {}
    chain: list[str] = []
    at = 0
    while at < motion:
        word = words[at]
        if word in ("ROOT", "JOINT"):
            chain.append(words[at + 1])
            joints[chain[-1]] = (chain[-2] if len(chain) > 1 else None, np.zeros(3), [])
            at += 1  # the name, which may be a keyword
        elif word == "End":
            chain.append(f"end {at}")
            joints[chain[-1]] = (chain[-2], np.zeros(3), [])
        elif word == "OFFSET":
            joints[chain[-1]][1][:] = [float(value) for value in words[at + 1 : at + 4]]
        elif word == "CHANNELS":
            joints[chain[-1]][2].extend(words[at + 2 : at + 2 + int(words[at + 1])])
        elif word == "}":
            chain.pop()
        at += 1
    channels = sum(len(each[2]) for each in joints.values())
    values = np.array(words[motion + 6 :], dtype=float).reshape(-1, channels)
    world: dict[str, tuple[Rotation, np.ndarray]] = {}
    column = 0
    for name, (parent, offset, kinds) in joints.items():
        place, turn = np.tile(offset, (len(values), 1)), Rotation.identity(len(values))
        for kind in kinds:
            if kind.endswith("position"):
                place[:, "XYZ".index(kind[0])] = values[:, column]
            else:
                turn = turn * Rotation.from_euler(kind[0], values[:, [column]], degrees=True)
            column += 1
        if parent is not None:
            above, origin = world[parent]
            place, turn = origin + above.apply(place), above * turn
        world[name] = (turn, place)
    return np.stack([world[name][1] for name in names], axis=1), float(words[motion + 5])


SMPL_IN_BVH = [
    *("Pelvis", "Left_hip", "Right_hip", "Spine1", "Left_knee", "Right_knee", "Spine2", "Left_ankle", "Right_ankle"),
    *("Spine3", "Left_foot", "Right_foot", "Neck", "Left_collar", "Right_collar", "Head", "Left_shoulder"),
    *("Right_shoulder", "Left_elbow", "Right_elbow", "Left_wrist", "Right_wrist"),
]
SNAPMOGEN = {
    "pelvis": "ROOT", "neck": "C_neck0001_bind_JNT", "head": "C_head_bind_JNT", "l_hip": "L_legUpper0001_bind_JNT",
    "l_knee": "L_legLower0001_bind_JNT", "l_ankle": "L_foot0001_bind_JNT", "l_foot": "L_foot0002_bind_JNT",
    "r_hip": "R_legUpper0001_bind_JNT", "r_knee": "R_legLower0001_bind_JNT", "r_ankle": "R_foot0001_bind_JNT",
    "l_shoulder": "L_armUpper0001_bind_JNT", "l_elbow": "L_armLower0001_bind_JNT", "l_wrist": "L_hand0001_bind_JNT",
    "r_shoulder": "R_armUpper0001_bind_JNT", "r_elbow": "R_armLower0001_bind_JNT", "r_wrist": "R_hand0001_bind_JNT",
}  # fmt: skip
SOMA_30 = {  # places in Kimodo's joints, from its own list
    "pelvis": 0, "spine1": 1, "spine2": 2, "spine3": 3, "neck": 4, "head": 6, "l_collar": 10, "l_shoulder": 11,
    "l_elbow": 12, "l_wrist": 13, "r_collar": 16, "r_shoulder": 17, "r_elbow": 18, "r_wrist": 19, "l_hip": 22,
    "l_knee": 23, "l_ankle": 24, "l_foot": 25, "r_hip": 26, "r_knee": 27, "r_ankle": 28, "r_foot": 29,
}  # fmt: skip


def real_files(folder: Path) -> Iterator[Row]:
    samples = SHARED / "samples"
    path = samples / "MoMask/000612.npy"
    yield Row("humanml3d-features", "MoMask's 000612.npy", read_converted(path), recovered(np.load(path)), 20)
    features = SHARED / "humanml3d/new_joint_vecs_012314.npy"
    if features.is_file():
        truth = np.load(SHARED / "humanml3d/new_joints_012314.npy")
        yield Row("humanml3d-features", "HumanML3D's 012314", read_converted(features), truth[:170], 20)
    with (samples / "MDM/results.npy").open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        content = load_arrays(file.read())  # what is in it is not run
    for number in range(3):
        truth = content["motion"][number].transpose(2, 0, 1)[:120]
        motion = read_converted(samples / "MDM/results.npy", number=number)
        yield Row("mdm", f"MDM's results.npy, {number}", motion, truth, 20)
    posed = np.load(samples / "Kimodo/soma_motion.npz")["posed_joints"]
    motion = read_converted(samples / "Kimodo/soma_motion.npz")
    joints = tuple(JOINT_INDEX[name] for name in SOMA_30)
    truth, frames = posed[::3, list(SOMA_30.values())], frames_at_20(len(posed), 30)
    yield Row("kimodo", "Kimodo's soma_motion.npz", motion, truth, 30, "y", 1, frames, joints, 2)
    for name, fps in (("case1_0_predict", 30), ("case1_0_remove_sliding", 60)):
        yield bvh_row(samples / f"MotionMillion/{name}.bvh", fps)
    yield bvh_row(samples / "r272/000000.bvh", 60)
    recorded = np.load(samples / "r272/joints_000000.npy")
    motion = read_converted(samples / "r272/joints_000000.npy", SourceSettings(fps=60))
    yield Row("joints", "joints_000000.npy of SMPL-X", motion, recorded[::3, :22], 60)
    yield snapmogen(folder, samples / "SnapMoGen/T_Pose.bvh")


def bvh_row(path: Path, fps: float) -> Row:
    joints, _ = bvh_joints(path, SMPL_IN_BVH)
    frames, step = frames_at_20(len(joints), fps), {30: (3, 2), 60: (3, 1)}[fps]
    motion = read_converted(path)
    return Row("bvh", f"{path.parent.name}'s {path.name}", motion, joints[:: step[0]], fps, "y", 1, frames,
               every=step[1])  # fmt: skip


def snapmogen(folder: Path, path: Path) -> Row:
    """Its skeleton: the one pose that its repository has, held for two seconds."""
    head, _, values = path.read_text().partition("MOTION")
    pose = values.strip().splitlines()[2]
    still = folder / "still.bvh"
    still.write_text("\n".join([f"{head}MOTION", "Frames: 61", "Frame Time: 0.0333333", *[pose] * 61]) + "\n")
    joints, _ = bvh_joints(still, list(SNAPMOGEN.values()))
    motion = read_converted(still)
    metres = motion.record.metres
    places = tuple(JOINT_INDEX[name] for name in SNAPMOGEN)
    return Row("bvh", "SnapMoGen's T-pose, held", motion, joints[::3] * metres, 30, "y", metres, 41, places, 2)


def verify_resampling() -> None:
    """A capture at 60 fps: what 30 fps gives at 20 fps, beside what was recorded there."""
    recorded = np.load(SHARED / "samples/r272/joints_000000.npy")[:, :22].astype(np.float64)
    joints = positions_at(SourceMotion("capture", HUMANML3D, positions=recorded[::2]), 30, FPS)
    truth = recorded[::3][: len(joints)]
    off = 1000 * np.linalg.norm(joints - truth, axis=-1)
    bones, own = (np.linalg.norm(j[:, 1:] - j[:, list(PARENTS[1:])], axis=-1) for j in (joints, truth))
    change = float(np.abs(bones / own - 1).max())
    paths = [float(np.linalg.norm(np.diff(j[:, 0], axis=0), axis=-1).sum()) for j in (joints, truth)]
    speed = abs(paths[0] / paths[1] - 1)
    print(
        f"30 fps -> 20 fps beside a capture at 60: off by {off.mean():.2f} mm on average, {off.max():.1f} at worst "
        f"(in {np.mean(off > 5):.2%} more than 5 mm); bones change by {change:.1e}, the path by {speed:.1e}"
    )
    claim(off.mean() < 1, "the mean error is below 1 mm")
    claim(change < 1e-3, "bones keep their length to 0.1 %")
    claim(speed < 1e-3, "the speed is right to 0.1 %")


def outcome(path: Path) -> str:
    """What reading a file gives: the remarks, or the reason why it is refused."""
    try:
        record = read_converted(path, assumed_fps=FPS).record
    except AtomError as error:
        return f"refused: {str(error).removeprefix(str(path)).lstrip(':, ')}"
    return "; ".join(("read", f"{record.format}, up {record.up}, unit {record.metres:g} m", *record.remarks))


CASES = {  # by file or folder: what its outcome must begin with and hold
    "01_bvh_unit_fair1/*.bvh": ("read", "the unit is assumed to be"),
    "02_bvh_names/*.bvh": ("read", "bvh"),
    "03_motiongpt_out/0_out.npy": ("read", "motiongpt"),
    "03_motiongpt_out/0/0_out.npy": ("read", "motiongpt"),
    "03_motiongpt_out/0/0_out_feats.npy": ("read", "motiongpt"),
    "03_motiongpt_out/0/0_out_feats_token.npy": ("refused", "which is no motion that is known here"),
    "03_motiongpt_out/feats_batch.npy": ("read", "humanml3d-features"),
    "03_motiongpt_out/hymotion.npz": ("refused", "give --up y"),
    "03_motiongpt_out/j_obj.npy": ("refused", "is no results.npy of MDM"),
    "03_motiongpt_out/joints*.npy": ("read", "no frame rate in the file"),
    "03_motiongpt_out/mdm_sample.npy": ("read", "no frame rate in the file"),
    "03_motiongpt_out/posed.npz": ("read", "no frame rate in the file"),
    "04_mdm_dip/results.npy": ("refused", "holds 2 motions (mdm): `atom motions import`"),
    "10_axes/walk.npy": ("read", "up y"),
    "10_axes/walk_zup.npy": ("read", "up z"),
    "10_axes/walk_ydown.npy": ("read", "turned so that -y is up"),
    "10_axes/walk_mirror.npy": ("refused", "toes and knees point backwards"),
    "10_axes/walk_*fps.npy": ("read", "no frame rate in the file, read at 20 fps"),
    "10_axes/walk_up70.npy": ("read", "moved down by 0.72 m"),
    "10_axes/walk_pelvis0.npy": ("read", "moved up by 0.89 m"),
    "15_normalised/*.npy": ("refused", "the features contradict themselves"),
}


def verify_cases() -> None:
    """Small inputs that failed once: taken, told or refused with a way out."""
    table = Table("case", "what happens", title="Cases", title_justify="left")
    for pattern, (start, words) in CASES.items():
        files = sorted((SHARED / "cases").glob(pattern))
        claim(bool(files), f"{pattern} is there", quietly=True)
        for path in files:
            said = outcome(path)
            table.add_row(str(path.relative_to(SHARED / "cases")), said[:150])
            claim(said.startswith(start) and words in said, f"{path.name}: {words}", quietly=True)
    Console(width=160).print(table)
    texts = [entry.text for entry in read_motion_set(SHARED / "cases/04_mdm_dip/results.npy").entries]
    claim(all(", then " in text for text in texts), f"the texts of a sample are joined in order: {texts[0]!r}")
    listing = list_motion_files(SHARED / "cases/07_hidden_files/mot")
    claim(listing.hidden > 0 and not listing.unknown, f"{listing.hidden} hidden files are passed over and counted")


def claim(holds: bool, text: str, quietly: bool = False) -> None:
    if not quietly or not holds:
        print(f"  {'holds' if holds else 'MISSED'}: {text}", flush=True)
    if not holds:
        missed.append(text)


def verify_rows(rows: Callable[[Path], Iterator[Row]], title: str, folder: Path) -> set[str]:
    """Prints a table of rows, and returns the formats that it has."""
    table = Table("format", "file", "off by", "fps", "up", "unit", "frames", "right", title=title, title_justify="left")
    formats = set()
    for row in rows(folder):
        record, faults = row.motion.record, row.faults()
        formats.add(record.format)
        if record.format != row.form:
            faults.append(f"read as {record.format}")
        table.add_row(
            row.form,
            row.file,
            f"{1000 * row.off():.3f} mm",
            f"{record.fps:g} ({record.fps_from})",
            f"{record.up} ({record.up_from})",
            f"{record.metres:g} m ({record.metres_from})",
            f"{record.source_frames} -> {len(row.motion.joints)}",
            ", ".join(faults) or "yes",
        )
        missed.extend(f"{row.file}: {fault}" for fault in faults)
    Console(width=160).print(table)
    return formats


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        formats = verify_rows(layouts, "Layouts, beside a motion that is known at every time", folder)
        untried = {form.name for form in FORMATS} - formats - {"kit-features"}  # a test has these
        claim(not untried, f"every format is tried {sorted(untried) or ''}".strip())
        if not (SHARED / "samples").is_dir() or not (SHARED / "cases").is_dir():
            print("not checked on real files: ../shared/data is not there")
            return int(bool(missed))
        verify_rows(real_files, "Real files, beside a plain computation", folder)
    verify_resampling()
    verify_cases()
    print(f"missed: {'; '.join(missed)}" if missed else "all of it holds")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
