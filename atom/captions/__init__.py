"""Open captions: the events of any English description of human motion, read offline and without a language model."""

from atom.captions.caption import CaptionEvent, ReadCaption
from atom.captions.reader import read_caption

__all__ = ["CaptionEvent", "ReadCaption", "read_caption"]
