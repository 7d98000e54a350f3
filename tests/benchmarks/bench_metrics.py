"""How fast the metrics of text-to-motion are: the evaluator's embeddings, FID, and the protocol beyond embeddings.

Run `python tests/benchmarks/bench_metrics.py [--device cuda]`. HumanML3D's test split has about 4,384 motions.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from measuring import Figure, in_turn, main, matrix_product_rate
from torch.nn.utils.rnn import pack_padded_sequence

from atom.evaluation.evaluator.guo_evaluator import INPUT_FEATURES, load_guo_evaluator
from atom.evaluation.evaluator.networks import FRAMES_PER_MOVEMENT, MotionEncoder, MovementEncoder
from atom.evaluation.metrics import fit_gaussian, frechet_distance, text_to_motion_metrics
from atom.motion.features import FEATURES
from atom.motion.skeleton import MAX_FRAMES

sys.path.append(str(Path(__file__).parents[1]))
from humanml3d_files import write_evaluator

TEXTS, DIMENSIONS, REPLICATIONS, CLIPS = 4384, 512, 20, 32
PROTOCOL_SECONDS = 120  # that the whole protocol may take beyond the embeddings


def fid_by_square_root(mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    """As the peers compute it."""
    root = scipy.linalg.sqrtm(cov1 @ cov2).real
    return float(((mean1 - mean2) ** 2).sum() + np.trace(cov1) + np.trace(cov2) - 2 * np.trace(root))


def networks_of(weights: Path, device: str = "cpu") -> tuple[MovementEncoder, MotionEncoder]:
    """The two networks that read motions, as they are in the file."""
    states = torch.load(weights, weights_only=True)
    networks = []
    for kind, name in ((MovementEncoder, "movement_encoder"), (MotionEncoder, "motion_encoder")):
        network = kind.from_state_dict(states[name])
        network.load_state_dict(states[name])
        networks.append(network.to(device).eval())
    return networks[0], networks[1]


@torch.no_grad()
def embedded_as_by_guo(
    movement: MovementEncoder, motion: MotionEncoder, clips: Sequence[np.ndarray], device: str = "cpu"
) -> np.ndarray:
    """text-to-motion's evaluator wrapper: padded to 196 frames, sorted by length, packed, each layer after the
    other. In the order of the clips, which there gets lost."""
    lengths = np.array([len(clip) // FRAMES_PER_MOVEMENT * FRAMES_PER_MOVEMENT for clip in clips])
    padded = np.zeros((len(clips), MAX_FRAMES, FEATURES), np.float32)
    for row, clip, length in zip(padded, clips, lengths):
        row[:length] = clip[:length]
    longest_first = np.argsort(lengths, kind="stable")[::-1].copy()
    motions = torch.from_numpy(padded).to(device)[longest_first]
    steps = motion.input_emb(movement(motions[..., :INPUT_FEATURES]))
    counts = (lengths[longest_first] // FRAMES_PER_MOVEMENT).tolist()
    packed = pack_padded_sequence(steps, counts, batch_first=True)
    _, (onward, backward) = motion.gru(packed, motion.hidden.repeat(1, len(clips), 1))
    embeddings = np.empty((len(clips), motion.output_size), np.float32)
    embeddings[longest_first] = motion.output_net(torch.cat([onward, backward], dim=-1)).cpu().numpy()
    return embeddings


def operations(movement: MovementEncoder, motion: MotionEncoder, frames: int) -> int:
    """Multiplications and additions for a clip, as few as the same numbers need: the GRU reads movements directly."""
    wide, inner, hidden = movement.input_size, movement.output_size, motion.gru.hidden_size
    movements = frames // FRAMES_PER_MOVEMENT
    convolutions = movements * (2 * 4 * wide * inner + 4 * inner * inner + inner * inner)
    return 2 * (convolutions + movements * 2 * 3 * hidden * (motion.input_size + hidden))


def measure(device: str) -> Iterator[Figure]:
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(MAX_FRAMES, FEATURES)).astype(np.float32) for _ in range(CLIPS)]
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "t2m"
        write_evaluator(files)
        mean, std = np.zeros(FEATURES, np.float32), np.ones(FEATURES, np.float32)
        guo = load_guo_evaluator(files / "finest.tar", files, mean, std, device=device)
        movement, motion = networks_of(files / "finest.tar", device)
    limit = matrix_product_rate(device) / operations(movement, motion, MAX_FRAMES)
    ours, plain = in_turn(lambda: guo.embed_motions(clips), lambda: embedded_as_by_guo(movement, motion, clips, device))
    yield Figure(
        f"Guo's evaluator, {CLIPS} motions of {MAX_FRAMES} frames",
        "motions/s",
        CLIPS / ours,
        CLIPS / plain,
        "text-to-motion's wrapper: padded, sorted, packed, layer by layer",
        wanted=2,
        limit=limit,
        limit_by="its products at the rate of a large one",
        device=device,
    )

    texts, real, made = rng.normal(size=(3, TEXTS, DIMENSIONS)).astype(np.float32)
    pair = (*fit_gaussian(real), *fit_gaussian(made))
    ours, plain = in_turn(lambda: frechet_distance(*pair), lambda: fid_by_square_root(*pair))
    yield Figure(
        f"FID of {DIMENSIONS} numbers", "FIDs/s", 1 / ours, 1 / plain, "through SciPy's matrix square root", wanted=5
    )

    (seconds,) = in_turn(
        lambda: text_to_motion_metrics(texts, real, made[:, None], replications=REPLICATIONS), repeats=3
    )
    yield Figure(
        f"all metrics of {TEXTS:,} embedded texts, {REPLICATIONS} replications",
        "replications/s",
        REPLICATIONS / seconds,
        wanted=REPLICATIONS / PROTOCOL_SECONDS,
    )


if __name__ == "__main__":
    main(measure, __doc__)
