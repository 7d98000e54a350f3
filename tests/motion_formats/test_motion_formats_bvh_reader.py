"""BVH files of several dialects, written from known rotations and compared with an independent forward kinematics."""

import time
from dataclasses import dataclass, field

import numpy as np
import pytest
from bvh_figures import Z_UP, build_figure, read_joints, read_with_remarks

from atom.errors import AtomError
from atom.motion.features import joints_to_features
from atom.motion.skeleton import JOINT_INDEX, JOINT_NAMES, PARENTS
from atom.motion_formats.readers.bvh_reader import read_bvh_source


@dataclass
class Bone:
    name: str
    offset: tuple[float, float, float]
    children: list["Bone"] = field(default_factory=list)
    end: tuple[float, float, float] | None = None


def sides(left, right, build):
    return [build(left, 1), build(right, -1)]


def mixamo(prefix="mixamorig:"):
    def leg(side, x):
        foot = Bone(f"{prefix}{side}Foot", (0, -42, 0), [Bone(f"{prefix}{side}ToeBase", (0, -8, 13), end=(0, 0, 6))])
        return Bone(f"{prefix}{side}UpLeg", (9 * x, -6, 0), [Bone(f"{prefix}{side}Leg", (0, -41, 1), [foot])])

    def arm(side, x):
        finger = Bone(f"{prefix}{side}HandIndex1", (8 * x, 0, 2), end=(3 * x, 0, 0))
        fore = Bone(f"{prefix}{side}ForeArm", (27 * x, 0, 0), [Bone(f"{prefix}{side}Hand", (25 * x, 0, 0), [finger])])
        return Bone(f"{prefix}{side}Shoulder", (6 * x, 12, 0), [Bone(f"{prefix}{side}Arm", (12 * x, -1, 0), [fore])])

    neck = Bone(f"{prefix}Neck", (0, 15, 0), [Bone(f"{prefix}Head", (0, 9, 3), end=(0, 18, 0))])
    chest = Bone(f"{prefix}Spine2", (0, 13, 0), [neck, *sides("Left", "Right", arm)])
    spine = Bone(f"{prefix}Spine", (0, 10, -1), [Bone(f"{prefix}Spine1", (0, 12, 0), [chest])])
    return Bone(f"{prefix}Hips", (0, 98, 0), [spine, *sides("Left", "Right", leg)])


def cmu():
    """The skeleton of the BVH conversion of the CMU captures, where hip joints, neck and collars have no length."""

    def leg(side, x):
        foot = Bone(f"{side}Foot", (2.7 * x, -7.5, 0), [Bone(f"{side}ToeBase", (0.2 * x, -0.5, 2.2), end=(0, 0, 1.1))])
        upper = Bone(f"{side}UpLeg", (1.6 * x, -1.7, 0.8), [Bone(f"{side}Leg", (2.2 * x, -6.2, 0), [foot])])
        return Bone(f"{side[0]}HipJoint", (0, 0, 0), [upper])

    def arm(side, x):
        hand = Bone(f"{side}Hand", (2.4 * x, 0, 0), [Bone(f"{side[0]}Thumb", (0, 0, 0), end=(0.6 * x, 0, 0.6))])
        upper = Bone(f"{side}Arm", (3.3 * x, 0.5, 0.2), [Bone(f"{side}ForeArm", (5.5 * x, 0, 0), [hand])])
        return Bone(f"{side}Shoulder", (0, 0, 0), [upper])

    neck = Bone("Neck", (0, 0, 0), [Bone("Neck1", (0, 1.7, 0), [Bone("Head", (0, 1.5, -0.6), end=(0, 1.7, -0.2))])])
    chest = Bone("Spine1", (0, 2.1, -0.1), [neck, *sides("Left", "Right", arm)])
    back = Bone("LowerBack", (0, 0, 0), [Bone("Spine", (0, 2.1, -0.1), [chest])])
    return Bone("Hips", (0, 0, 0), [*sides("Left", "Right", leg), back])


def smpl(style=lambda side, part: f"{side}_{part}" if side else part):
    def leg(side, x):
        foot = Bone(style(side, "Foot"), (0.03 * x, -0.06, 0.12), end=(0, 0, 0.05))
        shank = Bone(style(side, "Knee"), (0.04 * x, -0.38, 0), [Bone(style(side, "Ankle"), (0, -0.42, -0.04), [foot])])
        return Bone(style(side, "Hip"), (0.06 * x, -0.09, 0), [shank])

    def arm(side, x):
        wrist = Bone(style(side, "Wrist"), (0.26 * x, 0, 0), end=(0.08 * x, 0, 0))
        upper = Bone(
            style(side, "Shoulder"), (0.11 * x, 0.05, 0), [Bone(style(side, "Elbow"), (0.27 * x, 0, 0), [wrist])]
        )
        return Bone(style(side, "Collar"), (0.08 * x, 0.11, 0), [upper])

    neck = Bone(style("", "Neck"), (0, 0.21, -0.03), [Bone(style("", "Head"), (0, 0.09, 0.05), end=(0, 0.1, 0))])
    chest = Bone(style("", "Spine3"), (0, 0.056, 0), [neck, *sides("L", "R", arm)])
    spine = Bone(style("", "Spine1"), (0, 0.12, 0), [Bone(style("", "Spine2"), (0, 0.14, 0), [chest])])
    return Bone(style("", "Pelvis"), (0, 0, 0), [*sides("L", "R", leg), spine])


def smplx_name(side, part):
    return f"{'left' if side == 'L' else 'right'}_{part.lower()}" if side else part.lower()


def daz():
    """Without toes and with two spine joints: the feet end in an End Site."""

    def leg(side, x):
        shin = Bone(f"{side}Shin", (0, -43, 0), [Bone(f"{side}Foot", (0, -41, -1), end=(0, -6, 13))])
        return Bone(f"{side}Buttock", (3 * x, -2, 0), [Bone(f"{side}Thigh", (5 * x, -6, 0), [shin])])

    def arm(side, x):
        fore = Bone(f"{side}ForeArm", (27 * x, 0, 0), [Bone(f"{side}Hand", (23 * x, 0, 5), end=(9 * x, 0, 0))])
        return Bone(f"{side}Collar", (3 * x, 19, -4), [Bone(f"{side}Shldr", (9 * x, -2, 1), [fore])])

    neck = Bone("neck", (0, 22, -2), [Bone("head", (0, 7, 1), end=(0, 15, 0))])
    chest = Bone("chest", (0, 12, 0), [neck, *sides("l", "r", arm)])
    return Bone("hip", (0, 0, 0), [*sides("l", "r", leg), Bone("abdomen", (0, 20, -1), [chest])])


def flat(bone):
    return [bone, *(inner for child in bone.children for inner in flat(child))]


def rotation_matrix(axis, degrees):
    """The rotation matrix about one axis."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    one, other = [(1, 2), (2, 0), (0, 1)]["XYZ".index(axis)]
    matrix = np.eye(3)
    matrix[one, one] = matrix[other, other] = cos
    matrix[one, other], matrix[other, one] = -sin, sin
    return matrix


@dataclass
class Take:
    """A motion of the skeleton `root`: random rotations of up to `swing` degrees, with channels in `order`."""

    root: Bone
    order: str = "ZXY"
    frames: int = 12
    fps: float = 20
    swing: float = 40
    height: float = 90
    axes: np.ndarray = field(default_factory=lambda: np.eye(3))  # from Y-up vectors to those of the file
    position_channels: str = "root"  # "all": of every joint, in full; "zero": of every joint, all 0
    seed: int = 0

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        self.bones = flat(self.root)
        time = np.linspace(0, 1, self.frames)[:, None, None]
        ends = rng.uniform(-self.swing, self.swing, (2, len(self.bones), 3))
        self.turns = ends[0] * (1 - time) + ends[1] * time
        self.path = np.linspace([0, self.height, 0], [30, self.height, 80], self.frames) @ self.axes.T

    def positions(self):
        """The positions of every joint, and of every End Site as NAME/end, in the unit and axes of the file."""
        positions = {}

        def visit(bone, position, rotation, frame):
            angles = self.turns[frame][self.bones.index(bone)]
            for axis, degrees in zip(self.order, angles):
                rotation = rotation @ self.axes @ rotation_matrix(axis, degrees) @ self.axes.T
            positions.setdefault(bone.name, []).append(position)
            if bone.end is not None:
                positions.setdefault(bone.name + "/end", []).append(
                    position + rotation @ self.axes @ np.array(bone.end)
                )
            for child in bone.children:
                visit(child, position + rotation @ self.axes @ np.array(child.offset), rotation, frame)

        for frame in range(self.frames):
            visit(self.root, self.path[frame], np.eye(3), frame)
        return {name: np.array(values) for name, values in positions.items()}

    def text(self, newline="\n"):
        """The file as text. A Z-up file exchanges the names of the rotation axes Y and Z."""
        renamed = {"X": ("X", 1), "Y": ("Y", 1), "Z": ("Z", 1)}
        if self.axes is Z_UP:
            renamed = {"X": ("X", 1), "Y": ("Z", 1), "Z": ("Y", -1)}
        names = [f"{renamed[axis][0]}rotation" for axis in self.order]
        signs = np.array([renamed[axis][1] for axis in self.order])
        lines = ["HIERARCHY"]

        def has_positions(bone):
            return bone is self.root or self.position_channels != "root"

        def write(bone, depth):
            pad = "\t" * depth
            channels = [*(["Xposition", "Yposition", "Zposition"] if has_positions(bone) else []), *names]
            lines.extend([f"{pad}{'JOINT' if depth else 'ROOT'} {bone.name}", pad + "{"])
            lines.append(f"{pad}\tOFFSET " + " ".join(f"{value:.8f}" for value in self.axes @ np.array(bone.offset)))
            lines.append(f"{pad}\tCHANNELS {len(channels)} {' '.join(channels)}")
            for child in bone.children:
                write(child, depth + 1)
            if bone.end is not None:
                offset = " ".join(f"{value:.8f}" for value in self.axes @ np.array(bone.end))
                lines.extend([f"{pad}\tEnd Site", pad + "\t{", f"{pad}\t\tOFFSET {offset}", pad + "\t}"])
            lines.append(pad + "}")

        write(self.root, 0)
        lines += ["MOTION", f"Frames: {self.frames}", f"Frame Time: {1 / self.fps:.8f}"]
        for frame in range(self.frames):
            values = []
            for bone, turns in zip(self.bones, self.turns[frame] * signs):
                if has_positions(bone):
                    fixed = self.axes @ np.array(bone.offset) * (self.position_channels == "all")
                    values.extend(self.path[frame] if bone is self.root else fixed)
                values.extend(turns)
            lines.append(" ".join(f"{value:.8f}" for value in values))
        return newline.join(lines) + newline

    def read(self, folder, **options):
        (folder / "take.bvh").write_bytes(self.text(**options).encode())
        return read_joints(folder / "take.bvh")


SMPL_TREE = (
    "Pelvis=pelvis Spine1=spine1 Spine2=spine2 Spine3=spine3 Neck=neck Head=head",
    "Spine3 {s}_Collar={o}_collar {s}_Shoulder={o}_shoulder {s}_Elbow={o}_elbow {s}_Wrist={o}_wrist",
    "Pelvis {s}_Hip={o}_hip {s}_Knee={o}_knee {s}_Ankle={o}_ankle {s}_Foot={o}_foot",
)
MIXAMO_NAMES = {
    "pelvis": "Hips",
    "spine1": "Spine",
    "spine2": "Spine1",
    "spine3": "Spine2",
    "neck": "Neck",
    "head": "Head",
    **{
        f"{s[0].lower()}_{ours}": s + theirs
        for s in ("Left", "Right")
        for ours, theirs in {
            "hip": "UpLeg",
            "knee": "Leg",
            "ankle": "Foot",
            "foot": "ToeBase",
            "collar": "Shoulder",
            "shoulder": "Arm",
            "elbow": "ForeArm",
            "wrist": "Hand",
        }.items()
    },
}
SMPL_NAMES = {name: "_".join(part.capitalize() for part in name.split("_")) for name in JOINT_NAMES}


def assert_same(joints, positions, names, scale):
    for ours, theirs in names.items():
        np.testing.assert_allclose(joints[:, JOINT_INDEX[ours]], positions[theirs] * scale, atol=1e-4, err_msg=ours)


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "YZX", "ZYX"])
@pytest.mark.parametrize("prefix", ["mixamorig:", "mixamorig1:", "Character1_", ""])
def test_a_mixamo_skeleton_is_read_in_metres(tmp_path, order, prefix):
    take = Take(mixamo(prefix), order)
    names = {ours: prefix + theirs for ours, theirs in MIXAMO_NAMES.items()}
    assert_same(take.read(tmp_path), take.positions(), names, 0.01)


UNITY = {"UpLeg": "UpperLeg", "Leg": "LowerLeg", "ToeBase": "Toes", "Arm": "UpperArm", "ForeArm": "LowerArm"}
MUJOCO = {
    "UpLeg": "Hip",
    "Leg": "Knee",
    "Foot": "Ankle",
    "ToeBase": "Toe",
    "Shoulder": "Thorax",
    "Arm": "Shoulder",
    "ForeArm": "Elbow",
    "Hand": "Wrist",
    "Spine": "Torso",
    "Spine1": "Spine",
    "Spine2": "Chest",
}


@pytest.mark.parametrize(("parts", "sided"), [(UNITY, "{part}_{side}"), (MUJOCO, "{side}_{part}")])
def test_the_same_body_under_other_names_is_the_same(tmp_path, parts, sided):
    def renamed(bone):
        name = bone.name
        for side in ("Left", "Right"):
            if name.startswith(side):
                part = name.removeprefix(side)
                name = sided.format(side=side[0], part=parts.get(part, part))
        name = parts.get(name, name)
        return Bone(name, bone.offset, [renamed(child) for child in bone.children], bone.end)

    plain, other = Take(mixamo("")), Take(renamed(mixamo("")))
    np.testing.assert_array_equal(other.read(tmp_path), plain.read(tmp_path))


@pytest.mark.parametrize("order", ["ZYX", "XZY"])
@pytest.mark.parametrize("style", [smpl.__defaults__[0], smplx_name])
def test_an_smpl_skeleton_is_read_unchanged(tmp_path, order, style):
    take = Take(smpl(style), order, height=0.9)
    take.path[:, [0, 2]] /= 100
    names = (
        SMPL_NAMES
        if style is not smplx_name
        else {
            name: name.replace("l_", "left_").replace("r_", "right_") if name[1] == "_" else name
            for name in JOINT_NAMES
        }
    )
    assert_same(take.read(tmp_path), take.positions(), names, 1)


def spine_steps(joints):
    spine = joints[:, [JOINT_INDEX[name] for name in ("pelvis", "spine1", "spine2", "spine3", "neck")]]
    return np.linalg.norm(np.diff(spine, axis=1), axis=-1)


def test_a_cmu_skeleton_gets_spine_and_collars_with_a_length(tmp_path):
    take = Take(cmu(), "ZYX", height=15)
    joints, positions = take.read(tmp_path), take.positions()
    own = {
        ours: theirs for ours, theirs in MIXAMO_NAMES.items() if not ours.startswith("spine") and "collar" not in ours
    }
    assert_same(joints, positions, own, 0.056444)
    neck, shoulder = joints[:, JOINT_INDEX["neck"]], joints[:, JOINT_INDEX["l_shoulder"]]
    np.testing.assert_allclose(joints[:, JOINT_INDEX["l_collar"]], neck * 2 / 3 + shoulder / 3, atol=1e-5)
    # The middle spine joint coincides with CMU's; the others lie before and after it.
    assert np.linalg.norm(joints[:, JOINT_INDEX["spine2"]] - positions["Spine"] * 0.056444, axis=-1).max() < 0.005
    assert spine_steps(joints).min() > 0.01
    assert np.isfinite(joints_to_features(joints)).all()


def test_daz_gets_toes_from_end_sites_and_a_spine_of_three(tmp_path):
    take = Take(daz(), "ZXY")
    joints, positions = take.read(tmp_path), take.positions()
    names = {
        "l_foot": "lFoot/end",
        "r_foot": "rFoot/end",
        "r_hip": "rThigh",
        "l_knee": "lShin",
        "l_wrist": "lHand",
        "r_collar": "rCollar",
        "r_shoulder": "rShldr",
        "neck": "neck",
        "pelvis": "hip",
    }
    assert_same(joints, positions, names, 0.01)
    way = np.linalg.norm(
        np.diff([joints[:, JOINT_INDEX[n]] for n in ("pelvis", "spine1", "spine2", "spine3", "neck")], axis=0), axis=-1
    )
    assert (way.mean(axis=1) > 0.03).all()


def write_positions(joints, fps):
    """A file in which every joint has only position channels, with offsets of 0."""
    lines, order = ["HIERARCHY"], []

    def write(index):
        order.append(index)
        lines.append(f"{'JOINT' if index else 'ROOT'} {JOINT_NAMES[index]} {{")
        lines.append("OFFSET 0 0 0\nCHANNELS 3 Zposition Xposition Yposition")
        for child in np.flatnonzero(np.array(PARENTS) == index):
            write(child)
        lines.append("}")

    write(0)
    steps = joints.copy()
    steps[:, 1:] -= joints[:, PARENTS[1:]]
    lines += ["MOTION", f"Frames: {len(joints)}", f"Frame Time: {1 / fps:.8f}"]
    return "\n".join(lines + [" ".join(f"{v:.7f}" for v in frame[order][:, [2, 0, 1]].ravel()) for frame in steps])


def test_a_file_may_have_position_channels_only(tmp_path):
    figure, matches = build_figure(*SMPL_TREE, sides=("L", "R"))
    joints = figure.positions()[:, [matches[name] for name in JOINT_NAMES]]
    (tmp_path / "a.bvh").write_text(write_positions(joints, 20))
    np.testing.assert_allclose(read_joints(tmp_path / "a.bvh"), joints, atol=1e-6)


def test_a_real_capture_in_inches_and_z_up_at_120_fps_is_read_correctly(tmp_path, shared):
    joints = np.load(shared / "data/real_motion/cmu_02_01.npz")["joints"][:40].astype(np.float64)
    steps = np.arange(39 * 6 + 1) / 6
    before = np.minimum(steps.astype(int), 38)
    between = joints[before] + (steps - before)[:, None, None] * (joints[before + 1] - joints[before])
    (tmp_path / "a.bvh").write_text(write_positions(between @ Z_UP.T / 0.0254, 120))
    np.testing.assert_allclose(read_joints(tmp_path / "a.bvh"), joints, atol=1e-5)


def scaled(bone, size):
    end = None if bone.end is None else tuple(np.array(bone.end) * size)
    return Bone(bone.name, tuple(np.array(bone.offset) * size), [scaled(child, size) for child in bone.children], end)


@pytest.mark.parametrize(("unit", "metres"), [(1, 0.01), (0.01, 1), (1 / 2.54, 0.0254), (1 / 5.6444, 0.056444)])
def test_the_leg_length_decides_the_unit(tmp_path, unit, metres):
    take = Take(scaled(mixamo(), unit), height=90 * unit)
    names = {ours: "mixamorig:" + theirs for ours, theirs in MIXAMO_NAMES.items()}
    assert_same(take.read(tmp_path), take.positions(), names, metres)


def test_an_unknown_unit_gives_a_body_of_usual_size(tmp_path):
    joints = Take(scaled(mixamo(), 3)).read(tmp_path)
    leg = sum(
        np.linalg.norm(joints[:, JOINT_INDEX[a]] - joints[:, JOINT_INDEX[b]], axis=-1)
        for a, b in (("r_hip", "r_knee"), ("r_knee", "r_ankle"))
    )
    np.testing.assert_allclose(leg, 0.8209, atol=1e-3)


@pytest.mark.parametrize("swing", [20, 75])
def test_a_body_that_stands_along_z_is_rotated_upright(tmp_path, swing):
    upright = Take(mixamo(), swing=swing)
    leaning = Take(mixamo(), swing=swing, axes=Z_UP)
    np.testing.assert_allclose(leaning.read(tmp_path), upright.read(tmp_path), atol=1e-4)


def test_a_body_that_lies_in_a_y_up_file_stays_lying(tmp_path):
    take = Take(mixamo(), "XYZ", swing=15, height=20)
    take.turns[:, 0] = [-90, 0, 60]  # on its back, the head neither along X nor along Z
    names = {ours: "mixamorig:" + theirs for ours, theirs in MIXAMO_NAMES.items()}
    assert_same(take.read(tmp_path), take.positions(), names, 0.01)


def test_a_y_up_skeleton_whose_root_rotates_it_into_a_z_up_world_is_rotated_back(tmp_path):
    take = Take(smpl(), "XYZ", swing=15, height=0.9)
    take.path = np.linspace([0, 0, 0.9], [0.5, 0.2, 0.9], take.frames)
    take.turns[:, 0] = [90, 0, 0]
    joints = take.read(tmp_path)
    assert (joints[:, JOINT_INDEX["neck"], 1] - joints[:, JOINT_INDEX["pelvis"], 1] > 0.4).all()
    np.testing.assert_allclose(joints[:, 0, 1], 0.9, atol=1e-5)


@pytest.mark.parametrize("fps", [120, 60, 30, 24])
def test_frames_are_resampled_to_20_a_second(tmp_path, fps):
    take = Take(mixamo(), frames=2 * fps + 1, fps=fps)
    joints = take.read(tmp_path)
    assert len(joints) == 41
    if fps % 20 == 0:
        positions = take.positions()
        np.testing.assert_allclose(joints[:, 0], positions["mixamorig:Hips"][:: fps // 20] * 0.01, atol=1e-4)
        np.testing.assert_allclose(
            joints[:, JOINT_INDEX["l_wrist"]], positions["mixamorig:LeftHand"][:: fps // 20] * 0.01, atol=1e-4
        )


@pytest.mark.parametrize("positions", ["all", "zero"])
def test_position_channels_of_every_joint_replace_offsets_unless_all_are_zero(tmp_path, positions):
    plain, full = Take(mixamo()), Take(mixamo(), position_channels=positions)
    np.testing.assert_allclose(full.read(tmp_path), plain.read(tmp_path), atol=1e-5)


def test_line_ends_blank_lines_and_braces_may_differ(tmp_path):
    take = Take(mixamo())
    plain = take.read(tmp_path)
    np.testing.assert_array_equal(take.read(tmp_path, newline="\r\n"), plain)
    text = take.text().replace("\n\t", "\n\n    ").replace("Spine1\n\n    {", "Spine1 {").replace("MOTION", "\nMOTION")
    (tmp_path / "b.bvh").write_bytes(b"\xef\xbb\xbf" + text.replace("Frames: ", "Frames:\t").encode())
    np.testing.assert_array_equal(read_joints(tmp_path / "b.bvh"), plain)


FAULTS = {
    "empty": (lambda text: "", r"line 1: the file ends without MOTION"),
    "another format": (lambda text: "%PDF-1.4\n" + text, r"line 1: '%PDF-1.4' is no part"),
    "hierarchy cut off": (lambda text: text[:900], r"line \d+: "),
    "no motion": (lambda text: text[: text.index("MOTION")], r"ends without MOTION"),
    "brace missing": (lambda text: text.replace("}", "", 1), r"MOTION comes before the skeleton is complete"),
    "brace too many": (lambda text: text.replace("MOTION", "}\nMOTION"), r"a '}' without"),
    "two roots": (lambda text: text.replace("MOTION", "ROOT b\n{\n}\nMOTION"), r"a second ROOT"),
    "offset of two": (lambda text: text.replace("OFFSET 0.00000000", "OFFSET ", 1), r"line 4: OFFSET needs three"),
    "offset of words": (lambda text: text.replace("OFFSET 0.00000000", "OFFSET a", 1), r"line 4: OFFSET needs three"),
    "channel count": (lambda text: text.replace("CHANNELS 3", "CHANNELS 4", 1), r"line 9: CHANNELS '4"),
    "channel unknown": (lambda text: text.replace("Xrotation", "Wrotation", 1), r"line 5: CHANNELS '6 .*Wrotation"),
    "channel twice": (lambda text: text.replace("Xrotation", "Yrotation", 1), r"line 5: a channel occurs twice"),
    "no frame time": (lambda text: text.replace("Frame Time", "Time"), r"'Frame Time: SECONDS' must follow"),
    "frame time of 0": (lambda text: text.replace("Time: 0.05000000", "Time: 0"), r"frame time of '0'"),
    "frames cut off": (
        lambda text: "\n".join(text.splitlines()[:-3]),
        r"announces 12 frames and holds 9: it is cut off",
    ),
    "frame cut off": (lambda text: text[:-30], r"line \d+: has \d+ numbers, the skeleton has 75 channels"),
    "frame too many": (lambda text: text + text.splitlines()[-1], r"announces 12 frames and holds 13"),
    "one frame": (lambda text: "\n".join(text.replace("Frames: 12", "Frames: 1").splitlines()[:-11]), r"1 frame\(s\)"),
    "NaN": (lambda text: text[: text.rindex(" ")] + " nan\n", r"line \d+: holds NaN or infinity, as do 0 further"),
    "no number": (lambda text: text[: text.rindex(" ")] + " 1,5\n", r"line \d+: '1,5' is no number"),
    "joint missing": (
        lambda text: text.replace("mixamorig:LeftLeg", "Wing"),
        r"no joint stands for l_knee; it has mix",
    ),
    "another creature": (
        lambda text: text.replace("Left", "Fin").replace("Right", "Tail"),
        r"no joint stands for l_hip, .*r_hip, .*; it has mixamorig:Hips, mixamorig:Spine",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_names_the_faulty_line(tmp_path, fault):
    spoil, message = FAULTS[fault]
    root = mixamo()
    root.offset = (0, 0, 0)
    path = tmp_path / "a.bvh"
    path.write_text(spoil(Take(root).text()))
    with pytest.raises(AtomError, match=message) as raised:
        read_joints(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


MIXAMO_TREE = (
    "Root! Hips=pelvis Spine=spine1 Spine1=spine2 Spine2=spine3 Neck=neck Head=head END+",
    "Spine2 {s}Shoulder={o}_collar {s}Arm={o}_shoulder {s}ForeArm={o}_elbow {s}Hand={o}_wrist END+",
    "Hips {s}UpLeg={o}_hip {s}Leg={o}_knee {s}Foot={o}_ankle {s}ToeBase={o}_foot END+",
)


@pytest.mark.parametrize(
    ("mode", "is_told"), [("replace", False), ("zero", False), ("noise", True)], ids=["replace", "zero", "noise"]
)
def test_positions_of_joints_replace_or_add_to_offsets_as_bones_require(tmp_path, mode, is_told):
    figure, matches = build_figure(*MIXAMO_TREE)
    path = tmp_path / "a.bvh"
    path.write_text(figure.scaled(100).text(joint_positions=mode))
    joints, remarks = read_with_remarks(path)
    expected = figure.positions()[:, [matches[name] for name in JOINT_NAMES]]
    np.testing.assert_allclose(joints, expected, atol=1e-6)
    assert any("added" in remark for remark in remarks) == is_told


def test_a_joint_without_positions_of_its_own_keeps_its_offset_among_others_that_have(tmp_path):
    figure, matches = build_figure(*MIXAMO_TREE)
    text = figure.scaled(100).text(joint_positions="replace").splitlines()
    # The left forearm's positions are 0 but for a rounding in one frame.
    names = [line.split()[1] for line in text if line.split()[0] in ("ROOT", "JOINT")]
    column = 6 * names.index("LeftForeArm")
    head, rows = text[: -len(figure.rotations[0])], [line.split() for line in text[-len(figure.rotations[0]) :]]
    for number, row in enumerate(rows):
        row[column : column + 3] = ["0.000001" if number == 7 else "0"] * 3
    path = tmp_path / "a.bvh"
    path.write_text("\n".join([*head, *(" ".join(row) for row in rows)]))
    expected = figure.positions()[:, [matches[name] for name in JOINT_NAMES]]
    np.testing.assert_allclose(read_joints(path), expected, atol=1e-6)


def test_an_end_site_is_a_joint_without_a_name_and_nothing_is_invented(tmp_path):
    take = Take(mixamo())
    (tmp_path / "a.bvh").write_text(take.text())
    motion = read_bvh_source(tmp_path / "a.bvh")
    ends = [i for i, name in enumerate(motion.skeleton.names) if not name]
    assert len(ends) == 5
    assert (motion.up, motion.metres, motion.text, motion.fps) == (None, None, None, 20)
    assert motion.rotations.shape == (12, len(motion.skeleton.names), 4)
    np.testing.assert_allclose(motion.rotations[:, ends], np.broadcast_to([1, 0, 0, 0], (12, 5, 4)))
    np.testing.assert_allclose(np.linalg.norm(motion.rotations, axis=-1), 1)
    head = motion.skeleton.names.index("mixamorig:Head")
    np.testing.assert_allclose(motion.rest[head], [0, 98 + 10 + 12 + 13 + 15 + 9, 2])


@pytest.mark.parametrize("printed", ["9", "0.25", "0.0001"])
def test_a_frame_time_that_no_motion_has_leaves_the_rate_open(tmp_path, printed):
    (tmp_path / "a.bvh").write_text(Take(mixamo()).text().replace("Time: 0.05000000", f"Time: {printed}"))
    motion = read_bvh_source(tmp_path / "a.bvh")
    assert motion.fps is None
    assert "which no motion has" in motion.fps_fault


def test_a_skeleton_that_hardly_moves_is_refused_before_it_fills_the_memory(tmp_path):
    ends = "End Site\n{\nOFFSET 0 1 0\n}\n" * 50
    text = f"HIERARCHY\nROOT a\n{{\nOFFSET 0 0 0\nCHANNELS 1 Xrotation\n{ends}}}\nMOTION\nFrames: 2\n"
    text += "Frame Time: .05\n0\n0\n"
    (tmp_path / "a.bvh").write_text(text)
    with pytest.raises(AtomError, match="51 joints have 1 channels: the skeleton does not move"):
        read_bvh_source(tmp_path / "a.bvh")


def test_a_thousand_frames_take_well_under_a_second(tmp_path):
    (tmp_path / "a.bvh").write_text(Take(mixamo(), frames=1000).text())
    start = time.perf_counter()
    assert read_joints(tmp_path / "a.bvh").shape == (1000, 22, 3)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    "name", ["MotionMillion/case1_0_predict", "MotionMillion/case1_0_remove_sliding", "r272/000000"]
)
def test_shared_samples_in_metres_are_read_without_a_doubt(shared, name):
    joints, remarks = read_with_remarks(shared / f"data/samples/{name}.bvh")
    assert remarks == ()
    assert 0.6 < np.median(joints[:, 0, 1]) < 1.1
