"""BVH of any program or generator: SnapMoGen, MoMask++, Kimodo, MotionMillion, motion capture, Blender."""

from __future__ import annotations

from dataclasses import replace

from atom.motion_formats.conversion import FormatDefaults
from atom.motion_formats.file_facts import FileFacts
from atom.motion_formats.motion_format import MotionFormat
from atom.motion_formats.readers.bvh_reader import read_bvh_source
from atom.motion_formats.source_motion import SourceMotion
from atom.motion_formats.text_beside import read_json_object, read_text_file, text_of


def _read(facts: FileFacts) -> list[SourceMotion]:
    path = facts.path
    text = read_text_file(path.with_suffix(".txt")) or text_of(read_json_object(path.with_name("meta.json")))
    return [replace(read_bvh_source(path), text=text)]


BVH = MotionFormat(
    FormatDefaults("bvh"),
    written_by="SnapMoGen, MoMask++, Kimodo, MotionMillion, motion capture, Blender",
    recognised_by=".bvh; the rate is its frame time",
    skeleton="any, matched by its names and its tree",
    recognises=lambda facts: facts.suffix == ".bvh",
    read=_read,
    motion_path=lambda path: path.with_name(path.stem.removesuffix("_predict")),  # of MotionMillion's x_predict.npy
)
