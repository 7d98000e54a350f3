"""Readers of motion files, a module a format; `atom.motion_formats.formats` lists them."""
