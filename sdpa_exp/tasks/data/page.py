"""report.html and the contact sheet of task=data: one page without a network, and one picture."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from sdpa_exp.accuracy.by_size import size_limits
from sdpa_exp.compare.report.pages import templates
from sdpa_exp.tasks.data.draw import colour_of, contact_sheet, drawn, jpeg_bytes
from sdpa_exp.tasks.data.figures import SIZES
from sdpa_exp.tasks.data.leaks import MAX_DIFFERENT_BITS, Pair
from sdpa_exp.tasks.data.look import Seen
from sdpa_exp.text_report import counted

SHEET_FILE = "contact_sheet.png"
_SIDE_PX, _COLUMNS = 300, 4
_MAX_PAIRS = 8
_MANY_BOXES = 40  # names at each of so many boxes hide the picture
_THINGS = {"obb": "the rotated box", "segment": "the box around the outline"}
HOW_ALIKE = (
    f"Images count as alike where at most {MAX_DIFFERENT_BITS} of 256 bits differ; a bit says whether a cell of a 16 x "
    "16 grid of grey is brighter than its left neighbour. Copies that were saved again, scaled or made brighter are "
    "found; mirrored, turned or cut ones are not, and two photographs of one scene may be."
)


def draw_shown(shown: Sequence[Seen], class_names: Sequence[str]) -> list[tuple[str, Image.Image]]:
    """A caption and the drawn picture for each."""
    return [
        (_caption(each), drawn(each, class_names, _SIDE_PX, with_names=len(each.objects) <= _MANY_BOXES))
        for each in shown
    ]


def sheet_of(shots: Sequence[tuple[str, Image.Image]], title: str) -> Image.Image:
    """The contact sheet."""
    return contact_sheet(shots, title=title, side_px=_SIDE_PX, columns=min(_COLUMNS, max(1, len(shots))))


def data_page(
    content: Mapping[str, Any],
    *,
    shots: Sequence[tuple[str, Image.Image]],
    pairs: Mapping[str, Sequence[Pair]],
    class_names: Sequence[str],
) -> str:
    """The whole page.

    Args:
        content: of data.json.
        shots: captions and drawn pictures.
        pairs: title -> pictures of two splits that are the same or look alike.
        class_names: in the order of their ids.
    """
    figures = content["figures"]
    purpose = content["purpose"]
    shown = {
        title: [
            [_shot(*each) for each in draw_shown((pair.first, pair.second), class_names)] for pair in some[:_MAX_PAIRS]
        ]
        for title, some in pairs.items()
    }
    split_words = " and ".join(figures if len(figures) < 3 else [split for split in figures if split != "all"])
    return (
        templates(Path(), is_html=True)
        .get_template("data.html.jinja")
        .render(
            d={
                **content,
                "has_boxes": purpose != "classify",
                "what": _what(content),
                "limits": {size: size_limits(size) for size in SIZES},
                "thing": _THINGS.get(purpose, "the box"),
                "classes": {split: _rows(of, class_names) for split, of in figures.items() if split != "all"},
                "pairs": shown,
                "how_alike": HOW_ALIKE if any(pairs.values()) else "",
                "shots": [_shot(*shot) for shot in shots],
                "shown": f"{len(shots)} images, spread over {split_words}, with the rarest classes among them. "
                f"{SHEET_FILE} has the same.",
            }
        )
    )


def _what(content: Mapping[str, Any]) -> str:
    where = f" in {content['path']}" if content["path"] else ""
    return (
        f"{content['kind']}{where}, read for {content['predicts']} (model={content['model']}); "
        f"{counted(content['num_classes'], 'class', 'classes')}."
    )


def _rows(of_split: Mapping[str, Any], class_names: Sequence[str]) -> list[dict[str, Any]]:
    """The classes of a split, those with most boxes first."""
    kind = "boxes" if "boxes" in of_split else "images"
    counts = [of_class[kind] for of_class in of_split["classes"].values()]
    total, largest = sum(counts) or 1, max(counts) or 1
    rows = [
        {
            "name": name,
            "colour": colour_of(class_id),
            "share": of_class[kind] / total,
            "of_largest": of_class[kind] / largest,
            **of_class,
        }
        for class_id, (name, of_class) in enumerate(of_split["classes"].items())
    ]
    return sorted(rows, key=lambda row: -row["share"])


def _caption(picture: Seen) -> str:
    if picture.class_id is not None:
        return picture.name
    num = len(picture.objects)
    boxes = counted(num, "object") if num else "no object"
    split = "" if picture.split in Path(picture.name).parts else f"{picture.split}: "
    return f"{split}{picture.name}, {boxes}"


def _shot(caption: str, image: Image.Image) -> dict[str, str]:
    return {"src": f"data:image/jpeg;base64,{base64.b64encode(jpeg_bytes(image)).decode()}", "caption": caption}
