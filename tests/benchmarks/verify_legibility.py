"""How well our pictures are read by a network that never saw them: BlazePose looks for the people that we draw.

    pip install -e '.[blazepose]'  # `make verify` does
    python tests/benchmarks/verify_legibility.py [--size PIXELS]

Draws five frames of each real capture in ../shared, each looked at alone, and compares the joints that BlazePose finds
with where the camera sees the true ones. A frame in which it finds nobody counts as wrong throughout. Prints how many
people are found, PCK (the share of joints within a tenth of the body's height) and in how many frames the sides are
right, and draws the worst frames into `outputs/`; ends with status 1 if a claim is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import map_coordinates
from scipy.special import expit

from atom.motion.skeleton import JOINT_INDEX
from atom.motion_formats.motion_files import read_motion
from atom.rendering import render_frames
from atom.rendering.camera import place_camera
from atom.rendering.contact_sheet import choose_columns
from atom.rendering.figure import build_figure_parts, measure_body_height
from atom.rendering.text_labels import render_caption_strip

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

OUTPUTS = Path(__file__).resolve().parents[2] / "outputs"
CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "data" / "real_motion"
FRAMES = 5  # of a clip
NEAR = 0.1  # of the body's height: a joint that close to the true one counts as right
WORST = 24  # frames to draw
missed: list[str] = []


def claim(holds: bool, text: str) -> None:
    print(f"  {'holds' if holds else 'MISSED'}: {text}", flush=True)
    if not holds:
        missed.append(text)


# --- BlazePose --------------------------------------------------------------------------------------------------------
# Networks, steps and thresholds are those of MediaPipe for single images; only the mean over overlapping boxes is left
# out. The package itself asks for another NumPy than AToM does.

WHEEL = "mediapipe==0.10.21"
DETECTOR, DETECTOR_SIDE = "mediapipe/modules/pose_detection/pose_detection.tflite", 224
LANDMARKER, LANDMARKER_SIDE = "mediapipe/modules/pose_landmark/pose_landmark_full.tflite", 256
GRIDS = {8: 2, 16: 2, 32: 6}  # the detector guesses from each cell of three grids: pixels of a cell, guesses of each
SURE = 0.5  # the score from which a person, a pose or a spot of a heat map is believed
MARGIN = 1.25  # how much wider the cut is than the circle around the person
SPOT = 3  # cells of a heat map on each side of a landmark that settle where it is


@dataclass(frozen=True)
class Square:
    """A part of a picture: its middle, and the way from there to the middle of its upper side, in pixels."""

    middle: np.ndarray
    up: np.ndarray

    def at(self, shares: np.ndarray) -> np.ndarray:
        """Pixels of places (N, 2) that are given as shares of the square, from its left and its upper side."""
        right = np.array([-self.up[1], self.up[0]])
        across, down = np.hsplit(2 * shares - 1, 2)
        return self.middle + across * right - down * self.up

    def cut(self, image: np.ndarray, side: int) -> np.ndarray:
        """The square scaled to (side, side, 3), 0..1; beyond its edge the picture goes on as it ends."""
        columns, rows = self.at(_middles(side)).T - 0.5
        channels = [map_coordinates(image[..., i] / 255, [rows, columns], order=1, mode="nearest") for i in range(3)]
        return np.stack(channels, axis=-1).reshape(side, side, 3)


class BlazePose:
    """Finds one person in a square picture: first where somebody is and which way up, then the joints."""

    def __init__(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as files:
            self.detector, self.landmarker = (_network(files.read(name)) for name in (DETECTOR, LANDMARKER))
        cells = [np.repeat(_middles(DETECTOR_SIDE // pixels), guesses, axis=0) for pixels, guesses in GRIDS.items()]
        self.anchors = np.concatenate(cells)  # (2254, 2): from where each guess is made, as shares of the picture

    def find(self, image: np.ndarray) -> np.ndarray | None:
        """33 landmarks (33, 2) in pixels; None where nobody is found."""
        person = self.find_person(image)
        return None if person is None else self.find_landmarks(image, person)

    def find_person(self, image: np.ndarray) -> Square | None:
        half = len(image) / 2
        whole = Square(np.array([half, half]), np.array([0.0, -half]))
        guesses, scores = _run(self.detector, whole.cut(image, DETECTOR_SIDE) * 2 - 1)
        scores = expit(scores[0, :, 0])
        best = scores.argmax()
        if scores[best] < SURE:
            return None
        places = guesses[0, best].reshape(6, 2) / DETECTOR_SIDE + self.anchors[best]
        hips, rim = whole.at(places[2:4])  # after the box of the face and before two points for the upper body
        return Square(hips, (rim - hips) * MARGIN)

    def find_landmarks(self, image: np.ndarray, person: Square) -> np.ndarray | None:
        landmarks, presence, _, heat, _ = _run(self.landmarker, person.cut(image, LANDMARKER_SIDE))
        if presence[0, 0] < SURE:
            return None
        shares = landmarks.reshape(-1, 5)[:33, :2] / LANDMARKER_SIDE  # beside depth, visibility and presence
        return person.at(np.array([_refined(place, heat[0, :, :, i]) for i, place in enumerate(shares)]))


def _refined(place: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A landmark's place (x, y) as shares, moved to the centre of the spot around it where the heat map shows one."""
    column, row = np.floor(place * len(heat)).astype(int)
    top, left = max(row - SPOT, 0), max(column - SPOT, 0)
    spot = expit(heat[top : max(row + SPOT + 1, 0), left : max(column + SPOT + 1, 0)])
    if not spot.size or spot.max() < SURE:
        return place
    rows, columns = np.indices(spot.shape)
    return np.array([left + np.average(columns, weights=spot), top + np.average(rows, weights=spot)]) / len(heat)


def _middles(cells: int) -> np.ndarray:
    """(cells * cells, 2): x, y of the middles of a grid's cells as shares of its side, row by row."""
    rows, columns = np.indices((cells, cells)).reshape(2, -1)
    return (np.column_stack([columns, rows]) + 0.5) / cells


def _network(content: bytes) -> Interpreter:
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(model_content=content, num_threads=1)
    network.allocate_tensors()
    return network


def _run(network: Interpreter, picture: np.ndarray) -> list[np.ndarray]:
    network.set_tensor(network.get_input_details()[0]["index"], picture[None].astype(np.float32))
    network.invoke()
    return [network.get_tensor(output["index"]) for output in network.get_output_details()]


def fetch_wheel() -> Path:
    """MediaPipe's wheel from the package index, once; any system's will do, as the networks in it are the same."""
    folder = OUTPUTS / "blazepose"
    if not list(folder.glob("*.whl")):
        any_system = ["--only-binary", ":all:", "--python-version", "3.11", "--platform", "manylinux_2_28_x86_64"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), *any_system]
        if subprocess.run([*command, WHEEL]).returncode:
            sys.exit(f"BlazePose's networks are missing: go online, or put the wheel of {WHEEL} into {folder}")
    return next(folder.glob("*.whl"))


# --- what it sees -----------------------------------------------------------------------------------------------------

JOINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")  # those that both skeletons have
OURS = np.array([[JOINT_INDEX[f"{side}_{joint}"] for side in "lr"] for joint in JOINTS])
THEIRS = np.array([[left, left + 1] for left in (11, 13, 15, 23, 25, 27)])


@dataclass(frozen=True)
class Sighting:
    """A frame, where its joints are and where they were seen, (6, 2, 2): joint, left or right, x and y in pixels."""

    clip: Path
    frame: int
    true: np.ndarray
    seen: np.ndarray | None
    height: float  # of the standing body, in pixels

    @cached_property
    def errors(self) -> np.ndarray:
        """(6, 2) in heights of the body."""
        if self.seen is None:
            return np.full(self.true.shape[:2], np.inf)
        return np.linalg.norm(self.seen - self.true, axis=-1) / self.height

    @property
    def near(self) -> np.ndarray:
        return self.errors <= NEAR

    @property
    def sides_right(self) -> bool:
        """Whether what was seen fits better as it is than with left and right swapped."""
        if self.seen is None:
            return False
        swapped = np.linalg.norm(self.seen[:, ::-1] - self.true, axis=-1) / self.height
        return bool(self.errors.sum() < swapped.sum())


def look(pose: BlazePose, clip: Path, size: int) -> Iterator[Sighting]:
    joints = read_motion(clip).astype(np.float64)
    height = measure_body_height(joints)
    camera = place_camera("follow", joints, build_figure_parts(joints, height), height)
    places = camera.project(joints, size)
    above_pelvis = camera.project(joints[:, :1] + height * camera.axes[:, None, 1], size)
    heights = np.linalg.norm(above_pelvis[:, 0] - places[:, 0], axis=-1)
    frames = np.linspace(0, len(joints) - 1, FRAMES).round().astype(int)
    for frame, image in zip(frames, render_frames(joints, frames, size)):
        landmarks = pose.find(image)
        seen = None if landmarks is None else landmarks[THEIRS]
        yield Sighting(clip, frame, places[frame][OURS], seen, heights[frame])


def draw_worst(sightings: list[Sighting], size: int, file: Path, side: int = 320) -> None:
    """The frames with the largest errors: the true limbs black, the left ones that were seen orange, the right blue."""
    worst = sorted(sightings, key=lambda sighting: (sighting.near.mean(), -sighting.errors.mean()))[:WORST]
    strip, columns = 24, choose_columns(len(worst))
    rows = -(-len(worst) // columns)
    sheet = Image.new("RGB", (columns * side, rows * (side + strip)), "white")
    for cell, sighting in enumerate(worst):
        image = next(render_frames(read_motion(sighting.clip), [sighting.frame], side))
        faded = Image.fromarray(image // 2 + 127)
        canvas = ImageDraw.Draw(faded)
        for pose, colours in ((sighting.true, ("black", "black")), (sighting.seen, ("#e05a00", "#0048c8"))):
            if pose is not None:
                for limb in (slice(0, 3), slice(3, 6)):
                    for one_side, colour in enumerate(colours):
                        canvas.line([*map(tuple, pose[limb, one_side] * side / size)], fill=colour, width=3)
        place = (cell % columns * side, cell // columns * (side + strip))
        sheet.paste(faded, place)
        found = "nobody" if sighting.seen is None else f"{sighting.near.sum()} of {sighting.near.size}"
        said = f"{found}{'' if sighting.sides_right else ', sides wrong'}"
        label = render_caption_strip(side, strip, f"#{sighting.frame} {sighting.clip.stem}", said)
        sheet.paste(label, (place[0], place[1] + side))
    file.parent.mkdir(exist_ok=True)
    sheet.save(file)
    print(f"  the worst frames: {file}")


def main(size: int) -> None:
    if not CAPTURES.is_dir():
        print("  left out: no shared/ folder with real motion beside the checkout")
        return
    if not find_spec("ai_edge_litert"):
        sys.exit("nothing here runs BlazePose's networks: pip install -e '.[blazepose]'")
    pose = BlazePose(fetch_wheel())
    files = sorted(CAPTURES.glob("*.npz"))
    sightings = [sighting for file in files for sighting in look(pose, file, size)]

    found = np.mean([sighting.seen is not None for sighting in sightings])
    near = np.array([sighting.near for sighting in sightings])  # (frames, 6, 2)
    sides = np.mean([sighting.sides_right for sighting in sightings])
    print(f"BlazePose on {len(sightings)} frames of {len(files)} real captures, {size} pixels")
    claim(found >= 0.98, f"the person is found in 98 % of the frames: {found:.1%}")
    claim(near.mean() >= 0.9, f"PCK at a tenth of the body's height is 0.90: {near.mean():.3f}")
    claim(sides >= 0.97, f"left and right are right in 97 % of the frames: {sides:.1%}")
    print("  PCK by joint: " + ", ".join(f"{name} {share:.3f}" for name, share in zip(JOINTS, near.mean(axis=(0, 2)))))
    by_clip = groupby(sightings, key=lambda sighting: sighting.clip.stem)
    shares = sorted((float(np.mean([one.near for one in group])), clip) for clip, group in by_clip)
    print("  PCK of the worst clips: " + ", ".join(f"{clip} {share:.2f}" for share, clip in shares[:8]))
    draw_worst(sightings, size, OUTPUTS / "legibility.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="of a frame, in pixels")
    main(parser.parse_args().size)
    sys.exit(f"{len(missed)} claims missed" if missed else 0)
