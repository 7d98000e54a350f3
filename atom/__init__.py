"""AToM: aligns a text-to-motion model with event-level feedback.

`atom.align` runs the whole pipeline. The packages hold its parts for scripts: `atom.prompts`, `atom.generation`,
`atom.judging`, `atom.preferences`, `atom.tuning`, `atom.evaluation`, `atom.rendering`, `atom.motion`, `atom.external`.
Each package lists its public names in `__all__`; docs/python-api.md describes them.
"""

from typing import TYPE_CHECKING

from atom.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from atom import (
        config,
        evaluation,
        events,
        external,
        generation,
        judging,
        motion,
        preferences,
        prompts,
        rendering,
        tuning,
    )
    from atom.alignment import Alignment, align
    from atom.config import RunConfig, load_config
    from atom.errors import AtomError
    from atom.prompts.reading import ReadText, read_text

__all__, __getattr__, __dir__ = lazy_exports(__name__)
