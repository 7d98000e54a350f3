"""An index from pictures to the motions that they show."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterable, Sequence

import numpy as np

from atom.judging.detected_events import DetectedEvent
from atom.judging.kinematic_judge import KinematicJudge
from storage import ArtifactRef, Store, StoreError

log = logging.getLogger(__name__)

REFRESH_INTERVAL = 1.0  # minimum seconds from the start of one refresh to the start of the next


class IndexedMotion:
    """A motion of the index. Its events are detected on first use; then its joints are freed."""

    def __init__(self, joints: np.ndarray) -> None:
        self.frames = len(joints)
        self._joints: np.ndarray | None = joints
        self._events: tuple[DetectedEvent, ...] = ()

    @property
    def events(self) -> tuple[DetectedEvent, ...]:
        if self._joints is not None:
            self._events, self._joints = tuple(KinematicJudge().detect(self._joints)), None
        return self._events


class MotionIndex:
    """Motions by the sha256 of their pictures: those that were added, and those of the pictures in a store."""

    def __init__(self, motions: Iterable[tuple[bytes, np.ndarray]] = (), store: Store | None = None) -> None:
        self._motions: dict[str, IndexedMotion] = {}
        self._store = store
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
        self._motions[hashlib.sha256(data).hexdigest()] = IndexedMotion(joints)

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
            motion_keys = set(store.manifest(f"{prefix}pictures", key).inputs) & set(store.keys(f"{prefix}motions"))
            motions: dict[str, IndexedMotion] = {}
            for motion_key in motion_keys:
                table = store.read(ArtifactRef(f"{prefix}motions", motion_key, 0), columns=["motion_id", "joints"])
                for motion_id, joints in zip(table["motion_id"].to_pylist(), table["joints"], strict=True):
                    motions[motion_id] = IndexedMotion(joints.values.to_numpy().reshape(-1, 22, 3))
            for row in store.read(ArtifactRef(f"{prefix}pictures", key, 0), columns=["motion_id", "shown"]).to_pylist():
                if row["motion_id"] in motions:
                    for picture in row["shown"]:
                        self._motions[hashlib.sha256(picture["data"]).hexdigest()] = motions[row["motion_id"]]
        except StoreError as error:
            log.warning("can't read these pictures, so they are unknown for now: %s", error)
            return
        self._read_keys.add(key)
