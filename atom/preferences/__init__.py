"""Preferences: pairs of motions for one prompt of which one was scored higher."""

from typing import TYPE_CHECKING

from atom.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from atom.preferences.exporting import export_preferences
    from atom.preferences.importing import ImportedPreferences, import_preferences
    from atom.preferences.pairs import Preference, ScoredMotion, build_pairs
    from atom.preferences.scoring import score_motion, score_samples

__all__, __getattr__, __dir__ = lazy_exports(__name__)
