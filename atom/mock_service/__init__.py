"""A test double of a vision-language service: OpenAI's protocol over HTTP, answered by the kinematic judge.

It is no model, and says so: `system_fingerprint` is "atom-double". It knows the motion behind each picture by the
picture's sha256, answers what `atom.judging.vision` and `atom.prompts.writer` ask, as wrongly as its settings say, and
fails in the ways in which real services fail. So all that talks to a service can be tried without one, and without
paying.
"""

from atom.mock_service.app import make_app
from atom.mock_service.motion_index import MotionIndex
from atom.mock_service.server import RunningServer, run_in_thread, serve
from atom.mock_service.settings import FaultRates, MockServiceSettings

__all__ = ["FaultRates", "MockServiceSettings", "MotionIndex", "RunningServer", "make_app", "run_in_thread", "serve"]
