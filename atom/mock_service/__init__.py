"""The mock judge service: OpenAI's HTTP API on this machine, answered by the kinematic judge instead of a model.

It lets clients and whole runs be tested without a real service and without paying. It finds the motion behind each
picture by the picture's sha256 and answers the questions of `atom.judging.vision`, `atom.prompts.writer` and
`atom.prompts.llm_reading`. The actions that the kinematic judge can't see come from a file or from the prompts. Its
settings say how often it errs, how fast it answers, and how often it fails in the ways in which real services fail. Its
`system_fingerprint` is "atom-double".
"""

from atom.mock_service.app import make_app
from atom.mock_service.motion_index import MotionIndex
from atom.mock_service.server import RunningServer, run_in_thread, serve
from atom.mock_service.settings import FaultRates, MockServiceSettings
from atom.mock_service.shown_events import ShownEvents, hash_joints, read_shown_events

__all__ = [
    "FaultRates",
    "MockServiceSettings",
    "MotionIndex",
    "RunningServer",
    "ShownEvents",
    "hash_joints",
    "make_app",
    "read_shown_events",
    "run_in_thread",
    "serve",
]
