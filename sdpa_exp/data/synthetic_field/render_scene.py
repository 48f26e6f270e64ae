"""One picture of the field: where plants stand, how they cover each other, and the exact box of what stays visible."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdpa_exp.data.synthetic_field.light import Sun, draw_lens, draw_sun, take_picture
from sdpa_exp.data.synthetic_field.paint_plant import Sprite, paint_plant
from sdpa_exp.data.synthetic_field.plants import CLASS_NAMES, CROP, WEEDS, Species
from sdpa_exp.data.synthetic_field.soil import draw_soil, render_soil

OVERSAMPLING = 2
MIN_VISIBLE_SHARE = 0.4  # a plant of which less is seen, behind others or outside the picture, gets no box
MIN_SIDE = 0.012  # of the picture: 8 px at 640


@dataclass(frozen=True, kw_only=True)
class Place:
    """A plant to be painted; `x`, `y` and `diameter` are fractions of the picture."""

    species: Species
    x: float
    y: float
    diameter: float


@dataclass(frozen=True, kw_only=True)
class Box:
    """A label: class id and pixel edges, upper edge and left edge inclusive, lower and right exclusive.

    `place` is the plant's index among the places of its scene.
    """

    class_id: int
    place: int
    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A rendered picture with its truth.

    Attributes:
        bgr: (S, S, 3).
        owner: (S, S), index into `places` of the plant seen at a pixel, -1 for soil.
        visible_share: for each place, seen area over painted area.
        boxes: labels; plants mostly hidden have none.
    """

    bgr: NDArray[np.uint8]
    owner: NDArray[np.int16]
    places: tuple[Place, ...]
    visible_share: tuple[float, ...]
    boxes: tuple[Box, ...]


def render_scene(rng: np.random.Generator, size_px: int) -> Scene:
    """Render one picture; all randomness comes from `rng`, and what grows where does not depend on `size_px`."""
    layout_rng, soil_rng, lens_rng, plants_rng = rng.spawn(4)
    sun = draw_sun(layout_rng)
    row_angle = float(layout_rng.uniform(0, np.pi))
    row_spacing = float(layout_rng.uniform(0.6, 0.85))
    soil = draw_soil(layout_rng, row_angle_rad=row_angle, row_spacing=row_spacing)
    places = _crop_row_places(layout_rng, row_angle, row_spacing)
    places += _weed_places(layout_rng, places)
    fine_px = size_px * OVERSAMPLING
    canvas = _resized(render_soil(soil_rng, soil, sun, size_px), fine_px, cv2.INTER_LINEAR)
    owner = np.full((fine_px, fine_px), -1, np.int16)
    painted_px = []
    for index, (place, plant_rng) in enumerate(zip(places, plants_rng.spawn(len(places)), strict=True)):
        sprite = paint_plant(plant_rng, place.species, sun, place.diameter * fine_px)
        painted_px.append(int(np.count_nonzero(sprite.mask)))
        _cast_shadow(canvas, sprite, place, sun)
        _paste(canvas, owner, sprite, place, index)
    seen_px = np.bincount(owner[owner >= 0], minlength=len(places))
    visible = tuple(float(seen) / max(1, painted) for seen, painted in zip(seen_px, painted_px, strict=True))
    coarse = _owner_at_picture_size(owner)
    return Scene(
        bgr=take_picture(lens_rng, _resized(canvas, size_px, cv2.INTER_AREA), draw_lens(lens_rng, sun)),
        owner=coarse,
        places=tuple(places),
        visible_share=visible,
        boxes=_boxes(coarse, places, visible),
    )


def _resized(picture: NDArray[np.uint8], size_px: int, interpolation: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture, (size_px, size_px), interpolation=interpolation), np.uint8)


def _crop_row_places(rng: np.random.Generator, angle: float, spacing: float) -> list[Place]:
    along = np.asarray((np.cos(angle), np.sin(angle)))
    across = np.asarray((-np.sin(angle), np.cos(angle)))
    step = float(rng.uniform(0.28, 0.38))
    stage = float(rng.uniform(0.14, 0.23))
    offset = rng.uniform(0, spacing)
    places = []
    for row in np.arange(-1.0, 1.0, spacing) + offset:
        for place in np.arange(-1.0, 1.0, step) + rng.uniform(0, step):
            spot = 0.5 + across * (row + rng.normal(0, 0.008)) + along * (place + rng.normal(0, 0.02))
            is_missing = rng.random() < 0.12
            diameter = stage * float(rng.normal(1.0, 0.12))
            if not is_missing and _is_near_picture(spot, diameter):
                places.append(Place(species=CROP, x=float(spot[0]), y=float(spot[1]), diameter=diameter))
    return places


def _weed_places(rng: np.random.Generator, crops: list[Place]) -> list[Place]:
    """Weeds of mixed ages, with diameters from 0.04 to 0.26 of the picture (26 to 166 px at 640)."""
    places: list[Place] = []
    for _ in range(int(rng.integers(5, 10))):
        species = WEEDS[int(rng.integers(len(WEEDS)))]
        diameter = float(0.04 + 0.23 * rng.beta(1.3, 1.2))
        for _ in range(12):  # tries to find a spot that is not mostly taken
            spot = rng.uniform(0.01, 0.99, 2)
            if all(_gap(spot, diameter, other) > 0.32 for other in crops + places):
                places.append(Place(species=species, x=float(spot[0]), y=float(spot[1]), diameter=diameter))
                break
    return sorted(places, key=lambda place: place.diameter * place.species.height)  # taller covers lower


def _gap(spot: NDArray[np.float64], diameter: float, other: Place) -> float:
    """Distance of two plants over the sum of their radii."""
    distance = float(np.hypot(spot[0] - other.x, spot[1] - other.y))
    return 2 * distance / (diameter + other.diameter) - 0.32


def _is_near_picture(spot: NDArray[np.float64], diameter: float) -> bool:
    return bool(np.all(spot > -diameter / 2) and np.all(spot < 1 + diameter / 2))


def _window(sprite: Sprite, x: float, y: float, size_px: int) -> tuple[slice, slice, slice, slice] | None:
    """Where a sprite at (x, y) meets the canvas: canvas rows and columns, sprite rows and columns."""
    left, top = round(x) + sprite.x0, round(y) + sprite.y0
    height, width = sprite.mask.shape
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + width, size_px), min(top + height, size_px)
    if x0 >= x1 or y0 >= y1:
        return None
    return slice(y0, y1), slice(x0, x1), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)


def _cast_shadow(canvas: NDArray[np.uint8], sprite: Sprite, place: Place, sun: Sun) -> None:
    size_px = canvas.shape[0]
    reach = sun.shadow_length * place.species.height * place.diameter * size_px * 0.5
    border = max(2, int(reach * 0.5))
    mask = cv2.copyMakeBorder(sprite.mask, border, border, border, border, cv2.BORDER_CONSTANT, value=0)
    blur_px = max(0.8, border * (0.9 - 0.6 * sun.hardness))
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), blur_px), np.uint8)
    moved = Sprite(bgr=sprite.bgr, mask=soft, x0=sprite.x0 - border, y0=sprite.y0 - border)
    window = _window(moved, place.x * size_px + sun.dx * reach, place.y * size_px + sun.dy * reach, size_px)
    if window is None:
        return
    rows, columns, sprite_rows, sprite_columns = window
    strength = 0.25 + 0.42 * sun.hardness
    light = 1.0 - soft[sprite_rows, sprite_columns].astype(np.float32) * (strength / 255)
    part = canvas[rows, columns]
    part[...] = (part * light[..., None]).astype(np.uint8)


def _paste(canvas: NDArray[np.uint8], owner: NDArray[np.int16], sprite: Sprite, place: Place, index: int) -> None:
    size_px = canvas.shape[0]
    window = _window(sprite, place.x * size_px, place.y * size_px, size_px)
    if window is None:
        return
    rows, columns, sprite_rows, sprite_columns = window
    mask = sprite.mask[sprite_rows, sprite_columns] > 0
    canvas[rows, columns][mask] = sprite.bgr[sprite_rows, sprite_columns][mask]
    owner[rows, columns][mask] = index


def _owner_at_picture_size(owner: NDArray[np.int16]) -> NDArray[np.int16]:
    """The plant that fills at least half of each pixel, or -1; of two halves, the one painted last."""
    size_px = owner.shape[0] // OVERSAMPLING
    corners = (owner[0::2, 0::2], owner[0::2, 1::2], owner[1::2, 0::2], owner[1::2, 1::2])
    seen = np.full((size_px, size_px), -1, np.int16)
    for i, first in enumerate(corners):
        for second in corners[i + 1 :]:
            np.maximum(seen, np.where(first == second, first, np.int16(-1)), out=seen)
    return seen


def _boxes(owner: NDArray[np.int16], places: list[Place], visible: tuple[float, ...]) -> tuple[Box, ...]:
    rows, columns = np.nonzero(owner >= 0)
    index = owner[rows, columns]
    size_px = owner.shape[0]
    boxes = []
    for i, place in enumerate(places):
        is_here = index == i
        if visible[i] < MIN_VISIBLE_SHARE or not is_here.any():
            continue
        x, y = columns[is_here], rows[is_here]
        box = Box(
            class_id=CLASS_NAMES.index(place.species.name),
            place=i,
            x0=int(x.min()),
            y0=int(y.min()),
            x1=int(x.max()) + 1,
            y1=int(y.max()) + 1,
        )
        if min(box.x1 - box.x0, box.y1 - box.y0) >= MIN_SIDE * size_px:
            boxes.append(box)
    return tuple(boxes)
