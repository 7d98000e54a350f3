"""Which motion a picture shows."""

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

PAUSE = 1.0  # seconds between the beginnings of two looks into the store


class Clip:
    """A motion. What happens in it is found when it is first asked about; from then on its joints are not kept."""

    def __init__(self, joints: np.ndarray) -> None:
        self.frames = len(joints)
        self._joints: np.ndarray | None = joints
        self._seen: tuple[DetectedEvent, ...] = ()

    @property
    def seen(self) -> tuple[DetectedEvent, ...]:
        if self._joints is not None:
            self._seen, self._joints = tuple(KinematicJudge().detect(self._joints)), None
        return self._seen


class MotionIndex:
    """Clips by the sha256 of their pictures: those that were added, and those whose pictures are in a store."""

    def __init__(self, clips: Iterable[tuple[bytes, np.ndarray]] = (), store: Store | None = None) -> None:
        self._clips: dict[str, Clip] = {}
        self._store = store
        self._read: set[str] = set()
        self._lock = threading.Lock()
        self._looked = float("-inf")
        for data, joints in clips:
            self.add(data, joints)

    def __len__(self) -> int:
        return len(self._clips)

    def add(self, data: bytes, joints: np.ndarray) -> None:
        """Makes a picture known as one of joints (T, 22, 3)."""
        self._clips[hashlib.sha256(data).hexdigest()] = Clip(joints)

    def find(self, pictures: Sequence[str]) -> Clip | None:
        """The clip that the first known one of the pictures shows."""
        return next((clip for picture in pictures if (clip := self._clips.get(picture))), None)

    def lacks(self, pictures: Sequence[str]) -> bool:
        """Whether a look into the store might make more of these pictures known."""
        return self._store is not None and any(picture not in self._clips for picture in pictures)

    def look(self, since: float) -> None:
        """Reads what is new in the store, unless that was begun after the monotonic time `since`.

        Blocks, and waits so that looks begin at most once a `PAUSE`: who asks about a picture that was stored a moment
        ago must not be told that nobody knows it.
        """
        with self._lock:
            if self._store is None or self._looked >= since:
                return
            time.sleep(max(0.0, self._looked + PAUSE - time.monotonic()))
            self._looked = time.monotonic()
            for prefix in ("", "calibration-"):
                for key in self._store.keys(f"{prefix}pictures"):
                    if key not in self._read:
                        self._read_pictures(self._store, prefix, key)

    def _read_pictures(self, store: Store, prefix: str, key: str) -> None:
        try:
            motion_keys = set(store.keys(f"{prefix}motions"))
            made_from = set(store.manifest(f"{prefix}pictures", key).inputs) & motion_keys
            clips: dict[str, Clip] = {}
            for motions in made_from:
                table = store.read(ArtifactRef(f"{prefix}motions", motions, 0), columns=["motion_id", "joints"])
                for name, joints in zip(table["motion_id"].to_pylist(), table["joints"], strict=True):
                    clips[name] = Clip(joints.values.to_numpy().reshape(-1, 22, 3))
            for row in store.read(ArtifactRef(f"{prefix}pictures", key, 0), columns=["motion_id", "shown"]).to_pylist():
                if row["motion_id"] in clips:
                    for shown in row["shown"]:
                        self._clips[hashlib.sha256(shown["data"]).hexdigest()] = clips[row["motion_id"]]
        except StoreError as error:
            log.warning("pictures that can't be read are unknown for now: %s", error)
            return
        self._read.add(key)
