"""Small text beside pictures, in the font that Pillow brings along, so that it looks the same everywhere."""

from __future__ import annotations

from functools import cache

from PIL import Image, ImageDraw, ImageFont

GROUND, INK, QUIET_INK = (255, 255, 255), (38, 42, 54), (112, 118, 132)


def render_caption_strip(width: int, height: int, text: str, aside: str = "") -> Image.Image:
    """A strip with `text` on the left and `aside`, paler, on the right; what is too long is cut with an ellipsis."""
    strip = Image.new("RGB", (width, height), GROUND)
    draw = ImageDraw.Draw(strip)
    font = load_label_font(round(height * 0.62))
    margin, middle = round(height * 0.35), height / 2
    room = width - 2 * margin - (draw.textlength(aside, font) + margin if aside else 0)
    draw.text((margin, middle), _shortened(draw, text, font, room), INK, font, anchor="lm")
    draw.text((width - margin, middle), aside, QUIET_INK, font, anchor="rm")
    return strip


def _shortened(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    text = " ".join(text.split())
    if draw.textlength(text, font) <= room:
        return text
    while text and draw.textlength(text + "...", font) > room:
        text = text[:-1]
    return text + "..."


@cache
def load_label_font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(max(size, 8))
