"""The mock judge service: OpenAI's HTTP API on this machine, answered by the kinematic judge instead of a model.

It lets clients and whole runs be tested without a real service and without paying. It finds the motion behind each
picture by the picture's sha256 and answers the questions of `atom.judging.vision` and `atom.prompts.writer`. Its
settings say how often it errs, how fast it answers, and how often it fails in the ways in which real services fail. Its
`system_fingerprint` is "atom-double".
"""

from atom.mock_service.app import make_app
from atom.mock_service.motion_index import MotionIndex
from atom.mock_service.server import RunningServer, run_in_thread, serve
from atom.mock_service.settings import FaultRates, MockServiceSettings

__all__ = ["FaultRates", "MockServiceSettings", "MotionIndex", "RunningServer", "make_app", "run_in_thread", "serve"]
