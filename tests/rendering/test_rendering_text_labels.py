"""Captions: a text that is too long is cut before the text on its right, and not before."""

import numpy as np
import pytest

from atom.rendering.text_labels import load_label_font, render_caption_strip

HEIGHT = 20
MARGIN, FONT = 7, load_label_font(12)  # of a strip of this height


def ink(strip):
    """The columns of a strip in which something is drawn."""
    return np.flatnonzero((np.asarray(strip) < 250).any(axis=(0, 2)))


def text_width(text):
    return FONT.getlength(text)


@pytest.mark.parametrize("width", range(120, 160))
def test_a_long_text_is_cut_before_the_text_on_its_right(width):
    alone = ink(render_caption_strip(width, HEIGHT, "", "0.8 s"))
    both = ink(render_caption_strip(width, HEIGHT, "a person jumps twice, then waves", "0.8 s"))
    assert both[-len(alone) :].tolist() == alone.tolist()
    gap = alone[0] - both[: -len(alone)][-1]
    assert MARGIN - 2 <= gap < MARGIN + 2 + text_width("m")  # one more letter would not fit
    assert both[0] >= MARGIN - 1


def test_a_text_that_just_fits_is_not_cut():
    text = "a person bows"
    room = 2 * MARGIN + int(np.ceil(text_width(text)))
    whole, cut = (ink(render_caption_strip(width, HEIGHT, text)) for width in (room, room - 2))
    assert np.array_equal(whole, ink(render_caption_strip(500, HEIGHT, text)))
    assert not np.array_equal(cut, whole) and cut[-1] < room - 2 - MARGIN + 1


def test_white_space_is_joined():
    one, other = (
        np.asarray(render_caption_strip(200, HEIGHT, text)) for text in ("he  bows\n twice ", "he bows twice")
    )
    assert np.array_equal(one, other)
