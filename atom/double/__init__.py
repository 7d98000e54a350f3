"""A test double of a vision-language service: OpenAI's protocol over HTTP, answered by the kinematic judge.

It is no model, and says so: `system_fingerprint` is "atom-double". It knows the motion behind each picture by the
picture's sha256, answers what `atom.judging.vision` and `atom.prompts.writer` ask, as wrongly as its settings say, and
fails in the ways in which real services fail. So all that talks to a service can be tried without one, and without
paying.
"""

from atom.double.clips import ClipIndex
from atom.double.server import Running, running, serve
from atom.double.service import make_app
from atom.double.settings import DoubleSettings, FaultRates

__all__ = ["ClipIndex", "DoubleSettings", "FaultRates", "Running", "make_app", "running", "serve"]
