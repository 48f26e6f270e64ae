"""Draws pictures with their labels: boxes, outlines, rotated boxes and poses, in one colour a class."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from sdpa_exp.tasks.data.look import Seen, upright
from sdpa_exp.tasks.data.objects import Object

# Colours that leaves, soil and skin seldom have come first; each is drawn on a dark line, which shows it on white too.
COLOURS = (
    "#ff4fd8", "#00d5ff", "#ffd60a", "#ff7a1a", "#7dff6a", "#9d7bff", "#ffffff", "#ff5a5a", "#00e6a8", "#c8a27a",
    "#b0c4ff", "#e6ff00",
)  # fmt: skip
_DARK, _PAPER, _INK = "#101214", "#ffffff", "#1a1d21"
_NO_FONT_FROM = "\u2e80"  # Chinese and what follows: the font has no such letters
_GAP_PX, _TEXT_PX = 10, 13
_SEEN = 2
_SMALL_PX = 12


def colour_of(class_id: int) -> str:
    """The same everywhere; they repeat after a dozen classes."""
    return COLOURS[class_id % len(COLOURS)]


def drawn(picture: Seen, class_names: Sequence[str], side_px: int, *, with_names: bool = True) -> Image.Image:
    """The picture with its labels, its longer side this long.

    Args:
        picture: which.
        class_names: in the order of their ids.
        side_px: small pictures are made larger, too.
        with_names: write the class at each box, where there is room.
    """
    with Image.open(picture.path) as opened:
        opened.draft("RGB", (side_px, side_px))
        image = upright(opened).convert("RGB")
    scale = side_px / max(image.size)
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    canvas = ImageDraw.Draw(image, "RGBA")
    for thing in sorted(picture.objects, key=lambda each: -each.area(*image.size)):
        _draw(canvas, image.size, thing)
    if picture.class_id is not None:
        _tag(canvas, image.width, (0, 0), label_of(picture.class_id, class_names), colour_of(picture.class_id))
    elif with_names and len(class_names) > 1:
        for thing in picture.objects:
            left, top = thing.box[0] * image.width, thing.box[1] * image.height
            if (thing.box[2] - thing.box[0]) * image.width > 3 * _TEXT_PX:
                name = label_of(thing.class_id, class_names)
                _tag(canvas, image.width, (left, top), name, colour_of(thing.class_id))
    return image


def contact_sheet(
    pictures: Sequence[tuple[str, Image.Image]], *, title: str, side_px: int, columns: int
) -> Image.Image:
    """Pictures in rows, each with a line below it."""
    cell_px = side_px + _GAP_PX
    row_px = max((image.height for _, image in pictures), default=side_px) + 2 * _TEXT_PX + _GAP_PX
    rows = -(-len(pictures) // columns)
    head_px = 3 * _TEXT_PX
    sheet = Image.new("RGB", (columns * cell_px + _GAP_PX, rows * row_px + head_px), _PAPER)
    canvas = ImageDraw.Draw(sheet)
    canvas.text((_GAP_PX, _GAP_PX), title, fill=_INK, font=_font())
    for number, (caption, image) in enumerate(pictures):
        left = _GAP_PX + number % columns * cell_px
        top = head_px + number // columns * row_px
        sheet.paste(image, (left, top))
        canvas.text((left, top + image.height + 2), _cut(caption, side_px), fill=_INK, font=_font())
    return sheet


def jpeg_bytes(image: Image.Image) -> bytes:
    """For a page."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()


def label_of(class_id: int, class_names: Sequence[str]) -> str:
    """The class's name, or its number where the font has no such letters."""
    name = class_names[class_id]
    return name if all(letter < _NO_FONT_FROM for letter in name) else f"class {class_id}"


def _draw(canvas: ImageDraw.ImageDraw, size: tuple[int, int], thing: Object) -> None:
    colour = colour_of(thing.class_id)
    width, height = size
    if thing.polygon:
        corners = [(x * width, y * height) for x, y in thing.polygon]
        canvas.polygon(corners, fill=None if thing.is_rotated else f"{colour}55")
        for ink, thick in ((f"{_DARK}b0", 4), (colour, 2)):
            canvas.line([*corners, corners[0]], fill=ink, width=thick, joint="curve")
    else:
        left, top, right, bottom = thing.box
        edges = (left * width, top * height, max(left, right) * width, max(top, bottom) * height)
        thick = 1 if min(edges[2] - edges[0], edges[3] - edges[1]) < _SMALL_PX else 2
        canvas.rectangle([edges[0] - 1, edges[1] - 1, edges[2] + 1, edges[3] + 1], outline=_DARK, width=thick + 2)
        canvas.rectangle(edges, outline=colour, width=thick)
    for number, (x, y, visibility) in enumerate(thing.keypoints):
        if visibility:
            spot = (x * width - 4, y * height - 4, x * width + 4, y * height + 4)
            fill = colour_of(number) if visibility == _SEEN else None
            canvas.ellipse(spot, fill=fill, outline=_DARK if visibility == _SEEN else colour_of(number), width=1)


def _tag(canvas: ImageDraw.ImageDraw, width: int, corner: tuple[float, float], text: str, colour: str) -> None:
    length = canvas.textlength(text, font=_font())
    left, top = max(0.0, min(corner[0], width - length - 4)), max(0.0, corner[1] - _TEXT_PX - 3)
    canvas.rectangle([left, top, left + length + 4, top + _TEXT_PX + 3], fill=f"{colour}e0")
    canvas.text((left + 2, top), text, fill=_DARK, font=_font())


def _cut(text: str, side_px: int) -> str:
    """The end of a long caption: names differ there."""
    while len(text) > 4 and _font().getlength(text) > side_px:
        text = "…" + text[2:]
    return text


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans, which comes with matplotlib and has the letters of most alphabets; found without importing it."""
    found = find_spec("matplotlib")
    file = Path(str(found.origin)).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf" if found else Path()
    return ImageFont.truetype(str(file), _TEXT_PX) if file.is_file() else ImageFont.load_default(_TEXT_PX)
