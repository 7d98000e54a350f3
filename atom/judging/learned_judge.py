"""The learned judge: a small network that classifies the action of every frame and counts its repetitions.

It shares no rule with the kinematic judge, so that the two can check each other. It has temporal convolutions with
growing dilation, as in MS-TCN (Abu Farha and Gall 2019, arXiv 1903.01945). A count is the sum of a density over the
frames of an event, as in crowd counting (Lempitsky and Zisserman 2010).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn
from torch.nn import functional

from atom.atomic_write import write_atomically
from atom.errors import AtomError
from atom.events import ACTIONS, MAX_COUNT
from atom.generation.weights import load_weights, read_safetensors
from atom.judging.detected_events import DetectedEvent, sort_and_merge
from atom.judging.event_judge import EventJudge
from atom.judging.signals import validate_joints
from atom.motion.skeleton import FPS, JOINT_INDEX, JOINTS

BUILTIN = Path(__file__).parent / "learned"
CLASSES = ("", *ACTIONS)  # "" is the class of a frame without an action
INPUT_SIZE = 2 * JOINTS * 3 + 1
MIN_EVENT_FRAMES = 5
MAX_GAP = 3  # frames that may interrupt one event
COUNT_MARGIN = 2  # frames around an event whose density also counts
_REFERENCE_LEG = 0.82  # metres; bodies are scaled to a leg of this length


@dataclass(frozen=True)
class SegmenterConfig:
    """Size of the network: channels, and the dilation of each residual block."""

    width: int = 96
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1, 2, 4, 8, 16)


class ResidualBlock(nn.Module):
    """A residual block (B, T, width) -> (B, T, width) that reads `dilation` frames to both sides."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.look = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        context = self.look((self.norm(x) * mask).transpose(1, 2)).transpose(1, 2)
        return x + self.mix(functional.gelu(context))


class Segmenter(nn.Module):
    """Action segmentation: inputs (B, T, 133) -> logits of the classes (B, T, 38) and count densities (B, T).

    The sum of the density over the frames of an event is its count. The mask (B, T) is 0 where a clip is padded.
    """

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Linear(INPUT_SIZE, config.width)
        self.blocks = nn.ModuleList(ResidualBlock(config.width, dilation) for dilation in config.dilations)
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, len(CLASSES) + 1)

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        mask = mask[..., None]
        x = self.stem(frames)
        for block in self.blocks:
            x = block(x, mask)
        out = self.head(self.norm(x))
        # Minus 3: an untrained network starts with almost no density, as most frames have none. The padding has none at
        # all.
        return out[..., :-1], functional.softplus(out[..., -1] - 3) * mask[..., 0]


def to_body_frame(joints: np.ndarray) -> np.ndarray:
    """Joints (T, 22, 3) in metres -> (T, 133) float32, the inputs of the segmenter.

    Positions and velocities of all joints in the heading of the hips, scaled to a leg of 0.82 m and above the lowest
    foot; last the turning rate in radians a second.
    """
    joints = np.asarray(joints, dtype=np.float64)
    hips, knees, ankles = (
        joints[:, [JOINT_INDEX[f"l_{name}"], JOINT_INDEX[f"r_{name}"]]] for name in ("hip", "knee", "ankle")
    )
    leg = np.median(np.linalg.norm(hips - knees, axis=-1) + np.linalg.norm(knees - ankles, axis=-1))
    joints = joints * (_REFERENCE_LEG / max(float(leg), 1e-3))
    across = joints[:, JOINT_INDEX["l_hip"]] - joints[:, JOINT_INDEX["r_hip"]]
    yaw = gaussian_filter1d(np.unwrap(np.arctan2(-across[:, 2], across[:, 0])), 1.0, mode="nearest")
    cosine, sine = np.cos(yaw)[:, None], np.sin(yaw)[:, None]

    def rotate_to_heading(vectors: np.ndarray) -> np.ndarray:
        x, y, z = np.moveaxis(vectors, -1, 0)
        return np.stack([cosine * x - sine * z, y, sine * x + cosine * z], -1)

    floor = np.percentile(joints[:, [JOINT_INDEX["l_foot"], JOINT_INDEX["r_foot"]], 1].min(1), 10)
    positions = rotate_to_heading(joints - joints[:, :1] * [1, 0, 1]) - [0, floor, 0]
    velocities = rotate_to_heading(np.gradient(joints, axis=0)) * FPS
    turning_rate = np.gradient(yaw)[:, None] * FPS
    flat = (positions.reshape(len(joints), -1), velocities.reshape(len(joints), -1), turning_rate)
    return np.concatenate(flat, axis=1).astype(np.float32)


class LearnedJudge(EventJudge):
    """A judge that reads the output of a trained segmenter; the same joints always give the same judgement."""

    name = "learned"

    def __init__(self, model: Segmenter) -> None:
        """Puts the network into eval mode.

        Args:
            model: the trained segmenter.
        """
        self._model = model.eval()

    @classmethod
    @cache
    def load(cls, folder: Path = BUILTIN) -> LearnedJudge:
        """Load a judge. A process loads each folder once.

        Args:
            folder: the judge's folder, by default the one in the package.

        Returns:
            The judge.

        Raises:
            AtomError: the folder is damaged or holds no judge.
        """
        try:
            config = json.loads((folder / "config.json").read_text())
        except (OSError, ValueError) as error:
            raise AtomError(f"{folder} holds no learned judge: {error}; make one with `atom pretrain-judge`") from error
        model = Segmenter(SegmenterConfig(config["width"], tuple(config["dilations"])))
        state = {name: value.float() for name, value in read_safetensors(folder / "segmenter.safetensors").items()}
        load_weights(model, state, str(folder))
        return cls(model)

    def detect(self, joints: np.ndarray) -> list[DetectedEvent]:
        """Detects the events of a motion.

        Args:
            joints: (T, 22, 3) in metres, 20 fps, Y up.

        Returns:
            The events in order of time; none in a clip under 5 frames.

        Raises:
            AtomError: the joints have another shape or a number that is not finite.
        """
        joints = validate_joints(joints)
        if len(joints) < MIN_EVENT_FRAMES:
            return []
        with torch.inference_mode():
            frames = torch.from_numpy(to_body_frame(joints))[None]
            logits, density = self._model(frames, torch.ones(frames.shape[:2]))
        # Smoothed over about 3 frames, so that single frames of another class make no event.
        probabilities = gaussian_filter1d(logits[0].softmax(-1).double().numpy(), 1.0, axis=0, mode="nearest")
        return sort_and_merge(decode_events(probabilities, density[0].double().numpy()))


def save_judge(folder: Path, model: Segmenter) -> None:
    """Write a judge's files, segmenter.safetensors (float16) and config.json.

    Args:
        folder: where they go; it is made if needed.
        model: the trained segmenter.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    write_atomically(folder / "segmenter.safetensors", lambda path: save_file(tensors, path))
    (folder / "config.json").write_text(json.dumps(asdict(model.config), indent=1) + "\n")


def decode_events(probabilities: np.ndarray, density: np.ndarray) -> list[DetectedEvent]:
    """Decode the output of the segmenter to events.

    Args:
        probabilities: (T, 38), of each class.
        density: (T,), whose sum over an event is its count.

    Returns:
        The events in order of time; those shorter than `MIN_EVENT_FRAMES` are dropped.
    """
    classes = probabilities.argmax(1)
    edges = np.flatnonzero(np.diff(classes)) + 1
    segments = [
        [int(classes[start]), int(start), int(end)]
        for start, end in zip([0, *edges], [*edges, len(classes)])
        if classes[start]
    ]
    joined: list[list[int]] = []
    for kind, start, end in segments:
        if joined and joined[-1][0] == kind and start - joined[-1][2] <= MAX_GAP:
            joined[-1][2] = end
        else:
            joined.append([kind, start, end])
    events = []
    for kind, start, end in joined:
        if end - start < MIN_EVENT_FRAMES:
            continue
        action = CLASSES[kind]
        count = 1
        if ACTIONS[action].countable:
            count = int(
                # At least once, since it was seen; the upper limit keeps a wrong density from an absurd count.
                np.clip(np.round(density[max(start - COUNT_MARGIN, 0) : end + COUNT_MARGIN].sum()), 1, 2 * MAX_COUNT)
            )
        events.append(DetectedEvent(action, count, start, end, float(probabilities[start:end, kind].mean())))
    return events
