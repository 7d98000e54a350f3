"""Human motion: joints, HumanML3D features, mirroring, motion files and physical measures."""

from typing import TYPE_CHECKING

from atom.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from atom.motion.features import features_to_joints, joints_to_features
    from atom.motion.physics import floor_penetration, foot_contacts, foot_skate, mean_jerk
    from atom.motion_formats.motion_files import convert_array, read_motion, write_motion

__all__, __getattr__, __dir__ = lazy_exports(__name__)
