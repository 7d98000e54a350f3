"""Small text labels for pictures, in the font that Pillow ships, so that they look the same on every machine."""

from __future__ import annotations

from functools import cache

from PIL import Image, ImageDraw, ImageFont

BACKGROUND, INK, MUTED_INK = (255, 255, 255), (38, 42, 54), (112, 118, 132)


def render_caption_strip(width: int, height: int, text: str, right_text: str = "") -> Image.Image:
    """Draw a one-line caption.

    Args:
        width: pixels of the strip.
        height: pixels of the strip; the font scales with it.
        text: stands on the left; it is cut with an ellipsis if it is too long.
        right_text: stands on the right, in a paler colour.
    """
    strip = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(strip)
    font = load_label_font(round(height * 0.62))
    margin, middle = round(height * 0.35), height / 2
    room = width - 2 * margin - (draw.textlength(right_text, font) + margin if right_text else 0)
    draw.text((margin, middle), _truncate(draw, text, font, room), INK, font, anchor="lm")
    draw.text((width - margin, middle), right_text, MUTED_INK, font, anchor="rm")
    return strip


def _truncate(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    text = " ".join(text.split())
    if draw.textlength(text, font) <= room:
        return text
    while text and draw.textlength(text + "...", font) > room:
        text = text[:-1]
    return text + "..."


@cache
def load_label_font(size: int) -> ImageFont.FreeTypeFont:
    """The font at `size` pixels, at least 8."""
    return ImageFont.load_default(max(size, 8))
