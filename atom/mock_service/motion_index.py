"""An index from pictures to the motions that they show."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterable, Sequence

import numpy as np

from atom.events import Event, is_known
from atom.judging.detected_events import DetectedEvent
from atom.judging.kinematic_judge import KinematicJudge
from atom.mock_service.shown_events import ShownEvent, ShownEvents, place_events, show_prompt
from storage import ArtifactRef, Store, StoreError

log = logging.getLogger(__name__)

REFRESH_INTERVAL = 1.0  # minimum seconds from the start of one refresh to the start of the next


class IndexedMotion:
    """A motion of the index. Its events are detected on first use; then its joints are freed.

    Args:
        joints: (T, 22, 3) in metres.
        shown: what it shows, if that is not to be detected from the joints.
    """

    def __init__(self, joints: np.ndarray, shown: Sequence[ShownEvent] | None = None) -> None:
        self.frames = len(joints)
        self._joints: np.ndarray | None = joints
        self._events: tuple[DetectedEvent, ...] = ()
        if shown is not None:
            self.show(shown)

    def show(self, shown: Sequence[ShownEvent]) -> None:
        """Lets the motion show other events than those of its joints."""
        self._events, self._joints = place_events(shown, self.frames), None

    @property
    def events(self) -> tuple[DetectedEvent, ...]:
        if self._joints is not None:
            self._events, self._joints = tuple(KinematicJudge().detect(self._joints)), None
        return self._events


class MotionIndex:
    """Motions by the sha256 of their pictures: those that were added, and those of the pictures in a store.

    A motion shows what the kinematic judge sees. Where its prompt has an open action, which that judge can't see, it
    shows the events of the prompt. With `shows` it shows what that says of it, and what the kinematic judge sees where
    it says nothing.

    Args:
        motions: (bytes of a picture, joints) of each motion.
        store: a store whose pictures are known too, those of later runs included.
        shows: what motions show.
    """

    def __init__(
        self,
        motions: Iterable[tuple[bytes, np.ndarray]] = (),
        store: Store | None = None,
        shows: ShownEvents | None = None,
    ) -> None:
        self._motions: dict[str, IndexedMotion] = {}
        self._store = store
        self._shows = shows
        self._read_keys: set[str] = set()
        self._lock = threading.Lock()
        self._last_refresh = float("-inf")
        for data, joints in motions:
            self.add(data, joints)

    def __len__(self) -> int:
        return len(self._motions)

    def add(self, data: bytes, joints: np.ndarray) -> None:
        """Adds a motion.

        Args:
            data: bytes of the picture.
            joints: the motion that it shows, (T, 22, 3).
        """
        motion = IndexedMotion(joints, self._shows.find(joints=joints) if self._shows else None)
        self._add_pictures(motion, [data])

    def find(self, pictures: Sequence[str]) -> IndexedMotion | None:
        """Finds the motion of the first known picture, given the sha256 of each."""
        return next((motion for picture in pictures if (motion := self._motions.get(picture))), None)

    def has_unknown(self, pictures: Sequence[str]) -> bool:
        """Whether a refresh from the store might find more of these pictures."""
        return self._store is not None and any(picture not in self._motions for picture in pictures)

    def refresh(self, since: float) -> None:
        """Reads the new pictures of the store, unless a refresh has started after the monotonic time `since`.

        It blocks, and sleeps if the last refresh was less than `REFRESH_INTERVAL` ago. Skipping it instead would leave
        a picture unknown that was stored a moment ago.
        """
        with self._lock:
            if self._store is None or self._last_refresh >= since:
                return
            time.sleep(max(0.0, self._last_refresh + REFRESH_INTERVAL - time.monotonic()))
            self._last_refresh = time.monotonic()
            for prefix in ("", "calibration-"):
                for key in self._store.keys(f"{prefix}pictures"):
                    if key not in self._read_keys:
                        self._read_pictures(self._store, prefix, key)

    def _read_pictures(self, store: Store, prefix: str, key: str) -> None:
        try:
            # The inputs of a pictures artifact also name artifacts of other stages.
            inputs = set(store.manifest(f"{prefix}pictures", key).inputs)
            prompts = {} if self._shows else self._read_open_prompts(store, inputs & set(store.keys("prompts")))
            motions: dict[str, IndexedMotion] = {}
            for motion_key in inputs & set(store.keys(f"{prefix}motions")):
                names = ["motion_id", "prompt_id", "sample"]
                table = store.read(ArtifactRef(f"{prefix}motions", motion_key, 0), columns=[*names, "joints"])
                columns = (table[name].to_pylist() for name in names)
                for motion_id, prompt_id, sample, flat in zip(*columns, table["joints"], strict=True):
                    joints = flat.values.to_numpy().reshape(-1, 22, 3)
                    shown = prompts.get(prompt_id)
                    if self._shows:
                        shown = self._shows.find(motion_id, prompt_id, sample, joints)
                    motions[motion_id] = IndexedMotion(joints, shown)
            for row in store.read(ArtifactRef(f"{prefix}pictures", key, 0), columns=["motion_id", "shown"]).to_pylist():
                if row["motion_id"] in motions:
                    self._add_pictures(motions[row["motion_id"]], [picture["data"] for picture in row["shown"]])
        except StoreError as error:
            log.warning("can't read these pictures, so they are unknown for now: %s", error)
            return
        self._read_keys.add(key)

    def _add_pictures(self, motion: IndexedMotion, pictures: Iterable[bytes]) -> None:
        hashes = [hashlib.sha256(data).hexdigest() for data in pictures]
        for sha256 in hashes:
            if self._shows and (shown := self._shows.find_by_picture(sha256)) is not None:
                motion.show(shown)
            self._motions[sha256] = motion

    @staticmethod
    def _read_open_prompts(store: Store, keys: Iterable[str]) -> dict[str, tuple[ShownEvent, ...]]:
        """What the motions of each prompt with an open action show, by the ids of the prompts."""
        shown = {}
        for key in keys:
            for row in store.read(ArtifactRef("prompts", key, 0), columns=["prompt_id", "events"]).to_pylist():
                events = [Event.from_dict(event) for event in row["events"]]
                if not all(is_known(event.action) for event in events):
                    shown[row["prompt_id"]] = show_prompt(events)
        return shown
