"""Motions of other generators: their folders as they are, sets with an index, and their import."""

from typing import TYPE_CHECKING

from atom.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from atom.external.importing import ImportCounts, import_motions
    from atom.external.motion_generator import FolderCounts, MotionGenerator, make_motion_folder
    from atom.external.motion_set import (
        ExternalMotion,
        ExternalMotionSet,
        derive_prompts,
        read_motion_set,
        read_prompts,
    )

__all__, __getattr__, __dir__ = lazy_exports(__name__)
