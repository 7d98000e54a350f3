"""The learned judge: a small network that names the action of every frame and counts its repetitions.

It shares no rule with the kinematic judge, so that the two can check each other. Temporal convolutions with growing
dilation as in MS-TCN (Abu Farha and Gall 2019, arXiv 1903.01945); counts are sums of a density over an event's frames,
as crowds are counted (Lempitsky and Zisserman 2010).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn
from torch.nn import functional

from atom.errors import AtomError
from atom.events import ACTIONS, MAX_COUNT, Event, Task
from atom.generation.weights import load_weights, read_safetensors
from atom.judging.detected_events import DetectedEvent, sort_and_merge
from atom.judging.judgement import Judgement, judge_seen
from atom.judging.signals import checked
from atom.motion.skeleton import FPS, JOINT_INDEX, JOINTS

BUILTIN = Path(__file__).parent / "learned"
CLASSES = ("", *ACTIONS)  # "" is a frame in which nothing is done
INPUTS = 2 * JOINTS * 3 + 1
SHORTEST = 5  # frames of an event
GAP = 3  # frames by which one event may be interrupted
MARGIN = 2  # frames around an event that may hold some of its density
_LEG = 0.82  # metres


@dataclass(frozen=True)
class SegmenterConfig:
    """Size of the network: channels, and the dilation of each residual block."""

    width: int = 96
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1, 2, 4, 8, 16)


class Block(nn.Module):
    """(B, T, width) -> the same, looking `dilation` frames to both sides."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.look = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        seen = self.look((self.norm(x) * mask).transpose(1, 2)).transpose(1, 2)
        return x + self.mix(functional.gelu(seen))


class Segmenter(nn.Module):
    """Body frames (B, T, 133) -> logits of the classes (B, T, 38) and densities (B, T), whose sum over the frames of
    an event is how often it happens. mask (B, T) is 0 where a shorter clip is padded."""

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Linear(INPUTS, config.width)
        self.blocks = nn.ModuleList(Block(config.width, dilation) for dilation in config.dilations)
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, len(CLASSES) + 1)

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        mask = mask[..., None]
        x = self.stem(frames)
        for block in self.blocks:
            x = block(x, mask)
        out = self.head(self.norm(x))
        return out[..., :-1], functional.softplus(out[..., -1] - 3) * mask[..., 0]


def body_frames(joints: np.ndarray) -> np.ndarray:
    """Joints (T, 22, 3) in metres -> (T, 133) float32: places and velocities of all joints in the heading of the hips,
    for a leg of 0.82 m, above the lowest foot; and the rate of turning in radians a second."""
    joints = np.asarray(joints, dtype=np.float64)
    hips, knees, ankles = (
        joints[:, [JOINT_INDEX[f"l_{name}"], JOINT_INDEX[f"r_{name}"]]] for name in ("hip", "knee", "ankle")
    )
    leg = np.median(np.linalg.norm(hips - knees, axis=-1) + np.linalg.norm(knees - ankles, axis=-1))
    joints = joints * (_LEG / max(float(leg), 1e-3))
    across = joints[:, JOINT_INDEX["l_hip"]] - joints[:, JOINT_INDEX["r_hip"]]
    yaw = gaussian_filter1d(np.unwrap(np.arctan2(-across[:, 2], across[:, 0])), 1.0, mode="nearest")
    cosine, sine = np.cos(yaw)[:, None], np.sin(yaw)[:, None]

    def facing(vectors: np.ndarray) -> np.ndarray:
        x, y, z = np.moveaxis(vectors, -1, 0)
        return np.stack([cosine * x - sine * z, y, sine * x + cosine * z], -1)

    floor = np.percentile(joints[:, [JOINT_INDEX["l_foot"], JOINT_INDEX["r_foot"]], 1].min(1), 10)
    places = facing(joints - joints[:, :1] * [1, 0, 1]) - [0, floor, 0]
    velocities = facing(np.gradient(joints, axis=0)) * FPS
    rate = np.gradient(yaw)[:, None] * FPS
    flat = (places.reshape(len(joints), -1), velocities.reshape(len(joints), -1), rate)
    return np.concatenate(flat, axis=1).astype(np.float32)


class LearnedJudge:
    """Judges motions by a trained segmenter; the same joints always give the same judgement."""

    def __init__(self, model: Segmenter) -> None:
        self._model = model.eval()

    @classmethod
    @cache
    def load(cls, folder: Path = BUILTIN) -> LearnedJudge:
        """The judge in a folder, by default the one that ships with the package. AtomError when it is damaged."""
        try:
            config = json.loads((folder / "config.json").read_text())
        except (OSError, ValueError) as error:
            raise AtomError(f"{folder} holds no learned judge: {error}; make one with `atom pretrain-judge`") from error
        model = Segmenter(SegmenterConfig(config["width"], tuple(config["dilations"])))
        state = {name: value.float() for name, value in read_safetensors(folder / "segmenter.safetensors").items()}
        load_weights(model, state, str(folder))
        return cls(model)

    def detect(self, joints: np.ndarray) -> list[DetectedEvent]:
        """Events in order of time in joints (T,22,3): metres, 20 fps, Y up. AtomError for another shape or numbers
        that are not finite."""
        joints = checked(joints)
        if len(joints) < SHORTEST:
            return []
        with torch.inference_mode():
            frames = torch.from_numpy(body_frames(joints))[None]
            logits, density = self._model(frames, torch.ones(frames.shape[:2]))
        chances = gaussian_filter1d(logits[0].softmax(-1).double().numpy(), 1.0, axis=0, mode="nearest")
        return sort_and_merge(events_of(chances, density[0].double().numpy()))

    def judge(self, joints: np.ndarray, events: Sequence[Event], task: Task) -> Judgement:
        """Scores joints (T,22,3) against the asked events. AtomError for bad joints, an unknown task or no events."""
        return judge_seen(self.detect(joints), events, task)


def save_judge(folder: Path, model: Segmenter) -> None:
    """Writes segmenter.safetensors (float16) and config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.half().contiguous() for name, value in model.state_dict().items()},
        folder / "segmenter.safetensors",
    )
    (folder / "config.json").write_text(json.dumps(asdict(model.config), indent=1) + "\n")


def events_of(chances: np.ndarray, density: np.ndarray) -> list[DetectedEvent]:
    """Events from the chances of each class (T, 38) and the density (T,)."""
    classes = chances.argmax(1)
    edges = np.flatnonzero(np.diff(classes)) + 1
    pieces = [
        [int(classes[start]), int(start), int(end)]
        for start, end in zip([0, *edges], [*edges, len(classes)])
        if classes[start]
    ]
    joined: list[list[int]] = []
    for kind, start, end in pieces:
        if joined and joined[-1][0] == kind and start - joined[-1][2] <= GAP:
            joined[-1][2] = end
        else:
            joined.append([kind, start, end])
    events = []
    for kind, start, end in joined:
        if end - start < SHORTEST:
            continue
        action = CLASSES[kind]
        count = 1
        if ACTIONS[action].countable:
            count = int(np.clip(np.round(density[max(start - MARGIN, 0) : end + MARGIN].sum()), 1, 2 * MAX_COUNT))
        events.append(DetectedEvent(action, count, start, end, float(chances[start:end, kind].mean())))
    return events
