"""Written GLB files, evaluated by a small player that shares no code with the writer, and by pygltflib."""

import json
import struct

import numpy as np
import pytest
from animated_bodies import MOVES, animate, lying, spinning, walking
from scipy.spatial.transform import Rotation, Slerp

from atom.errors import AtomError
from atom.motion.skeleton import JOINT_INDEX, JOINT_NAMES, JOINTS
from atom.motion_formats.writers.glb_writer import write_glb
from atom.motion_formats.writers.mixamo_skeleton import MIXAMO_NAMES
from atom.motion_formats.writers.skeleton_fit import fit_skeleton
from atom.rendering.figure import ARM_COLOUR

MOST_OFF = 1e-4  # metres
TYPES = {5121: np.uint8, 5123: np.uint16, 5126: np.float32}
SIZES = {"SCALAR": (), "VEC3": (3,), "VEC4": (4,), "MAT4": (4, 4)}


class GlbPlayer:
    """A parsed file: the JSON document, its arrays, and the joints at any time."""

    def __init__(self, path):
        content = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", content)
        assert (magic, version, length) == (b"glTF", 2, len(content))
        size, kind = struct.unpack_from("<I4s", content, 12)
        assert kind == b"JSON" and size % 4 == 0
        self.document = json.loads(content[20 : 20 + size])
        binary_size, kind = struct.unpack_from("<I4s", content, 20 + size)
        assert kind == b"BIN\0" and binary_size % 4 == 0 and 28 + size + binary_size == len(content)
        self.binary = content[28 + size :]
        assert 0 <= binary_size - self.document["buffers"][0]["byteLength"] < 4
        self.names = [node["name"] for node in self.document["nodes"]]

    def array(self, accessor):
        fields = self.document["accessors"][accessor]
        view = self.document["bufferViews"][fields["bufferView"]]
        kind, shape = np.dtype(TYPES[fields["componentType"]]), SIZES[fields["type"]]
        assert view["byteOffset"] % 4 == 0
        count = fields["count"] * int(np.prod(shape))
        assert view["byteLength"] == count * kind.itemsize
        array = np.frombuffer(self.binary, kind, count, view["byteOffset"]).reshape(-1, *shape)
        for name, bound in (("min", array.min), ("max", array.max)):
            if name in fields:
                np.testing.assert_array_equal(np.array(fields[name], np.float32), np.atleast_1d(bound(axis=0)))
        return array

    def joints(self, times):
        """The joints (T, 22, 3) at times in seconds: tracks interpolated, then added up the tree of nodes."""
        nodes = self.document["nodes"]
        turns = [Rotation.identity(len(times))] * len(nodes)
        places = [np.tile(node.get("translation", (0.0, 0.0, 0.0)), (len(times), 1)) for node in nodes]
        (animation,) = self.document["animations"]
        for channel in animation["channels"]:
            sampler = animation["samplers"][channel["sampler"]]
            keys, values = self.array(sampler["input"]).astype(float), self.array(sampler["output"]).astype(float)
            node, kind = channel["target"]["node"], channel["target"]["path"]
            within = np.clip(times, keys[0], keys[-1])
            if kind == "rotation":
                turns[node] = Slerp(keys, Rotation.from_quat(values))(within)
            else:
                places[node] = np.stack([np.interp(within, keys, column) for column in values.T], axis=1)
        world, found = {}, {}
        pending = [(root, Rotation.identity(len(times)), np.zeros(3)) for root in self.document["scenes"][0]["nodes"]]
        while pending:
            node, turn, place = pending.pop()
            place = place + turn.apply(places[node])
            world[node] = turn * turns[node]
            found[self.names[node]] = place
            pending += [(child, world[node], place) for child in nodes[node].get("children", [])]
        return np.stack([found[name] for name in MIXAMO_NAMES], axis=1)


def write_and_play(folder, joints, **settings):
    write_glb(folder / "a.glb", joints, **settings)
    assert [path.name for path in folder.iterdir()] == ["a.glb"]
    return GlbPlayer(folder / "a.glb")


def frame_times(joints, fps=20):
    return np.arange(len(joints)) / fps


@pytest.mark.parametrize("move", MOVES)
def test_a_written_file_reproduces_the_joints(tmp_path, move):
    joints = animate(move)
    played = write_and_play(tmp_path, joints)
    assert np.linalg.norm(played.joints(frame_times(joints)) - joints, axis=-1).max() < MOST_OFF


def test_between_frames_the_body_turns_on(tmp_path):
    joints = animate(spinning)
    played = write_and_play(tmp_path, joints)
    halves = frame_times(joints)[:-1] + 0.025
    assert np.abs(played.joints(halves) - animate(spinning, fps=40)[1::2]).max() < 0.005


def test_bones_that_vary_are_those_of_the_fit(tmp_path):
    joints = animate(walking) + np.random.default_rng(0).normal(0, 0.005, (41, JOINTS, 3))
    played = write_and_play(tmp_path, joints)
    off = np.linalg.norm(played.joints(frame_times(joints)) - fit_skeleton(joints).joints, axis=-1)
    assert off.max() < MOST_OFF


def test_a_second_library_reads_the_same_bones(tmp_path):
    pygltflib = pytest.importorskip("pygltflib", reason="pygltflib is not installed: pip install -e '.[dev]'")
    joints = animate(walking)
    write_glb(tmp_path / "a.glb", joints)
    file = pygltflib.GLTF2().load(str(tmp_path / "a.glb"))
    (skin,) = file.skins
    assert [file.nodes[node].name for node in skin.joints] == list(MIXAMO_NAMES)

    def values(accessor):
        fields = file.accessors[accessor]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[fields.type]
        start = file.bufferViews[fields.bufferView].byteOffset
        assert fields.componentType == pygltflib.FLOAT
        numbers = np.frombuffer(file.binary_blob(), "<f4", fields.count * width, start)
        return numbers.reshape(-1, width).astype(float)

    tracks = {
        (channel.target.node, channel.target.path): values(file.animations[0].samplers[channel.sampler].output)
        for channel in file.animations[0].channels
    }
    seen = np.empty(joints.shape)

    def place(node, turn, parent):
        here = parent + turn.apply(tracks.get((node, "translation"), np.array([file.nodes[node].translation])))
        if (node, "rotation") in tracks:
            turn = turn * Rotation.from_quat(tracks[node, "rotation"])
        seen[:, MIXAMO_NAMES.index(file.nodes[node].name)] = here
        for child in file.nodes[node].children:
            place(child, turn, here)

    place(skin.skeleton, Rotation.identity(len(joints)), np.zeros((len(joints), 3)))
    assert np.linalg.norm(seen - joints, axis=-1).max() < MOST_OFF


def test_the_file_has_the_parts_that_programs_expect(tmp_path):
    played = write_and_play(tmp_path, animate(walking), name="a walk")
    document = played.document
    assert document["asset"]["version"] == "2.0" and "AToM" in document["asset"]["generator"]
    assert played.names == [*MIXAMO_NAMES, "Body"]
    (animation,) = document["animations"]
    assert animation["name"] == "a walk"
    paths = [(channel["target"]["node"], channel["target"]["path"]) for channel in animation["channels"]]
    assert len(set(paths)) == len(paths) and [path for path in paths if path[1] == "translation"] == [
        (0, "translation")
    ]
    for sampler in animation["samplers"]:
        times, values = played.array(sampler["input"]), played.array(sampler["output"])
        np.testing.assert_allclose(times, np.arange(41) / 20, atol=1e-6)
        assert "min" in document["accessors"][sampler["input"]] and len(values) == 41
        if values.shape[1] == 4:
            np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, atol=1e-6)
            assert (np.einsum("ij,ij->i", values[1:], values[:-1]) > 0).all()  # no way round the other side
    played = write_and_play(tmp_path, animate(walking), fps=30)
    (first, *_) = played.document["animations"][0]["samplers"]
    assert (
        played.array(first["input"])[-1] == pytest.approx(40 / 30) and played.document["animations"][0]["name"] == "a"
    )


def test_the_rest_pose_binds_the_skin_and_stands_on_the_floor(tmp_path):
    played = write_and_play(tmp_path, animate(lying))
    (skin,) = played.document["skins"]
    assert skin["joints"] == list(range(JOINTS)) and skin["skeleton"] == 0
    rest = np.zeros((JOINTS, 3))
    nodes = played.document["nodes"]
    for joint in range(JOINTS):
        rest[joint] += nodes[joint]["translation"]
        for child in nodes[joint].get("children", []):
            rest[child] += rest[joint]
    bind = played.array(skin["inverseBindMatrices"])  # column by column
    np.testing.assert_allclose(bind[:, 3, :3], -rest, atol=1e-6)
    np.testing.assert_allclose(bind[:, :3, :3], np.tile(np.eye(3), (JOINTS, 1, 1)))
    wrists = rest[[JOINT_INDEX["l_wrist"], JOINT_INDEX["r_wrist"]]]
    assert wrists[0, 0] > 0.5 and wrists[1, 0] < -0.5 and rest[JOINT_INDEX["l_foot"], 1] > 0
    vertices = played.array(played.document["meshes"][0]["primitives"][0]["attributes"]["POSITION"])
    assert vertices[:, 1].min() == pytest.approx(0, abs=1e-6) and 1.5 < vertices[:, 1].max() < 2


def test_the_body_is_closed_coloured_by_side_and_follows_the_joints(tmp_path):
    played = write_and_play(tmp_path, animate(walking))
    document = played.document
    (mesh,) = document["meshes"]
    attributes = mesh["primitives"][0]["attributes"]
    vertices, normals = played.array(attributes["POSITION"]), played.array(attributes["NORMAL"])
    joints, weights = played.array(attributes["JOINTS_0"]), played.array(attributes["WEIGHTS_0"])
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert (joints[weights == 0] == 0).all() and joints.max() < JOINTS
    used = np.zeros(len(vertices), bool)
    for primitive in mesh["primitives"]:
        triangles = played.array(primitive["indices"]).reshape(-1, 3)
        used[triangles] = True
        a, b, c = vertices[triangles].swapaxes(0, 1).astype(float)
        outwards = np.einsum("ij,ij->i", np.cross(b - a, c - a), normals[triangles].mean(axis=1))
        assert (outwards > -1e-9).all()
    assert used.mean() > 0.9
    colours = {material["name"]: i for i, material in enumerate(document["materials"])}
    for side, sign in (("l", 1), ("r", -1)):
        material = colours["#{:02x}{:02x}{:02x}".format(*ARM_COLOUR[side])]
        (primitive,) = (each for each in mesh["primitives"] if each["material"] == material)
        arm = played.array(primitive["indices"])
        assert (sign * vertices[arm, 0] > 0.05).all()
        followed = {JOINT_NAMES[joint] for joint in np.unique(joints[arm, 0])}
        assert followed == {f"{side}_shoulder", f"{side}_elbow"}
    orange = document["materials"][colours["#fa9c3e"]]["pbrMetallicRoughness"]["baseColorFactor"]
    assert orange == pytest.approx([0.956, 0.332, 0.048, 1], abs=2e-3)  # linear, not sRGB


@pytest.mark.parametrize(
    ("joints", "message"),
    [
        (np.zeros((10, 21, 3)), r"a\.glb: joints of shape \(10, 21, 3\) make no GLB, give \(frames, 22, 3\)"),
        (np.full((10, 22, 3), np.nan), r"a\.glb: 10 of 10 frames hold NaN"),
    ],
)
def test_invalid_joints_leave_no_file(tmp_path, joints, message):
    with pytest.raises(AtomError, match=message):
        write_glb(tmp_path / "a.glb", joints)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(AtomError, match=r"none/a\.glb: can't be written"):
        write_glb(tmp_path / "none" / "a.glb", animate(walking))
