"""The retrieval judge: how near a motion lies to its text in the space of an evaluator.

It needs no events, no pictures and no service, and takes any text that its evaluator understands. Its score is

    1 + 4 * clip((far - d) / (far - near), 0, 1)

with d the Euclidean distance of the two embeddings, `near` the median distance of motions to their own texts, and `far`
that to the texts of other motions. So a motion scores 5 where it is as near as half of the true ones, and 1 where it is
no nearer than half of the unrelated ones.

The anchors of the built-in evaluator are in its training.json: `atom pretrain-evaluator` measures them on motions of
validation compositions, and `tests/benchmarks/bench_retrieval_judge.py --anchors` measures them again. Those of Guo's
evaluator are measured when it is loaded, on `CALIBRATION_TEXTS` captions of the dataset with their motions.

One number says nothing about single events: a judgement has no detected events, no verdicts, and `exact` is None.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np

from atom.config import EvaluatorConfig, MetricsConfig
from atom.errors import AtomError
from atom.evaluation.evaluator.base import Evaluator, TaggedText
from atom.evaluation.evaluator.loading import load_evaluator
from atom.evaluation.evaluator.small_evaluator import BUILTIN, SmallEvaluator
from atom.evaluation.evaluator.word_tags import tag_words
from atom.evaluation.metric_rows import Reference, references_from_dataset
from atom.evaluation.metrics import euclidean_distances
from atom.events import is_known
from atom.judging.judged_prompt import JudgedPrompt
from atom.judging.judgement import Judgement
from atom.motion.features import joints_to_features

CALIBRATION_TEXTS = 512
MIN_FRAMES = 5  # of joints: an evaluator needs four frames of features, which are one fewer


@dataclass(frozen=True)
class Anchors:
    """The distances of text and motion that score 5 (`near`) and 1 (`far`)."""

    near: float
    far: float

    def score(self, distance: float) -> float:
        """The score of a distance, 1 to 5."""
        return 1 + 4 * float(np.clip((self.far - distance) / (self.far - self.near), 0, 1))


class RetrievalJudge:
    """A judge by the distance of text and motion; the same joints and text always give the same judgement."""

    def __init__(self, evaluator: Evaluator, anchors: Anchors) -> None:
        """Raises AtomError where the evaluator can't tell own from other texts."""
        if not 0 <= anchors.near < anchors.far:
            raise AtomError(
                f"motions are as far from their own texts ({anchors.near:.2f}) as from others ({anchors.far:.2f}), so "
                "this evaluator can't judge: check that its weights, words and statistics belong together"
            )
        self.evaluator, self.anchors = evaluator, anchors
        self._embed_text = lru_cache(maxsize=4096)(self._embed_text_anew)

    def find_obstacle(self, prompt: JudgedPrompt) -> str | None:
        """Why this judge can't judge motions of a prompt; None where it can.

        The built-in evaluator knows the words of the built-in prompts only: an event in other words would be noise.
        """
        if not tag_words(prompt.text):
            return "the text has no words"
        if not isinstance(self.evaluator, SmallEvaluator):
            return None
        # The words that tell the events must be known; of the other words of a sentence the evaluator may miss some.
        phrases = [event.phrase or ("" if is_known(event.action) else event.action) for event in prompt.events]
        unknown = self.evaluator.find_unknown_words(" ".join(phrases))
        return f"the built-in evaluator does not know {', '.join(map(repr, unknown))}" if unknown else None

    def judge(self, joints: np.ndarray, prompt: JudgedPrompt) -> Judgement:
        """Score a motion by its distance to the prompt's text.

        Args:
            joints: (T, 22, 3) in metres, 20 fps, Y up. A motion of fewer than `MIN_FRAMES` frames scores 1.
            prompt: of which only the text counts.

        Raises:
            AtomError: for bad joints or a text without words.
        """
        if len(joints) < MIN_FRAMES:
            return Judgement(1.0, None, [], [], f"{len(joints)} frames are too short to compare with the text.")
        (motion,) = self.evaluator.embed_motions([joints_to_features(joints)])
        distance = float(np.linalg.norm(motion - self._embed_text(prompt.text)))
        rationale = (
            f"Text and motion are {distance:.2f} apart in the space of the evaluator {self.evaluator.name} "
            f"({self.anchors.near:.2f} scores 5, {self.anchors.far:.2f} scores 1). This judge gives no verdicts on "
            "single events."
        )
        return Judgement(self.anchors.score(distance), None, [], [], rationale)

    def _embed_text_anew(self, text: str) -> np.ndarray:
        return self.evaluator.embed_texts([TaggedText(text, tag_words(text))])[0]


def load_retrieval_judge(settings: EvaluatorConfig, device: str = "cpu") -> RetrievalJudge:
    """Load the retrieval judge with its anchors. A process loads it once.

    Args:
        settings: name the evaluator.
        device: a torch device.

    Raises:
        AtomError: names what is missing or does not fit.
    """
    files = [settings.evaluator, *filter(None, [settings.mean, settings.std, settings.words])]
    if settings.dataset:
        files.append(str(Path(settings.dataset) / f"{settings.split}.txt"))
    # Part of the cache's key: a file that is written again is read again.
    stamps = tuple(Path(file).stat().st_mtime_ns for file in files if Path(file).exists())
    return _load(settings, device, stamps)


@lru_cache(maxsize=2)
def _load(settings: EvaluatorConfig, device: str, stamps: tuple[int, ...]) -> RetrievalJudge:
    evaluator = load_evaluator(settings, device)
    if isinstance(evaluator, SmallEvaluator):
        return RetrievalJudge(evaluator, read_anchors(evaluator))
    if settings.dataset is None:
        raise AtomError(
            "the retrieval judge measures on a dataset which distances are near and far: give judging.retrieval.dataset"
        )
    references = references_from_dataset(MetricsConfig(**settings.model_dump()), seed=0)
    return RetrievalJudge(evaluator, measure_anchors(evaluator, list(islice(references, CALIBRATION_TEXTS))))


def read_anchors(evaluator: SmallEvaluator, folder: Path = BUILTIN) -> Anchors:
    """Read the anchors of the built-in evaluator.

    Args:
        evaluator: the evaluator.
        folder: its files.

    Raises:
        AtomError: the folder has no anchors, or those of other weights.
    """
    try:
        record = json.loads((folder / "training.json").read_text())
        if record["weights"] != evaluator.weights_hash:
            raise ValueError("it belongs to other weights")
        return Anchors(**record["anchors"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AtomError(
            f"{folder / 'training.json'} has no anchors of the retrieval judge: {error}; make the evaluator with `atom "
            "pretrain-evaluator`"
        ) from error


def measure_anchors(evaluator: Evaluator, references: list[Reference]) -> Anchors:
    """Measure how near motions are to their own texts, and how far from those of others.

    Args:
        evaluator: embeds both.
        references: texts with their motions, at least two.

    Raises:
        AtomError: there are too few.
    """
    if len(references) < 2:
        raise AtomError(
            "the retrieval judge needs at least two captions with motions to tell near from far: check the dataset and "
            "its split"
        )
    texts = evaluator.embed_texts([reference.text for reference in references])
    # One motion at a time, as `RetrievalJudge.judge` embeds them: some evaluators read the padding of a batch.
    motions = np.concatenate([evaluator.embed_motions([reference.features]) for reference in references])
    distances = euclidean_distances(texts, motions)
    own = np.eye(len(references), dtype=bool)
    # Medians, so that a few captions that don't fit their motion have no weight.
    return Anchors(round(float(np.median(distances[own])), 4), round(float(np.median(distances[~own])), 4))
