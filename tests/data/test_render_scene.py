from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from sdpa_exp.config.schema import SyntheticDataset
from sdpa_exp.data.synthetic_field.light import draw_sun
from sdpa_exp.data.synthetic_field.paint_plant import paint_plant
from sdpa_exp.data.synthetic_field.plants import CLASS_NAMES, SPECIES, Species
from sdpa_exp.data.synthetic_field.render_scene import MIN_VISIBLE_SHARE, Scene, render_scene
from sdpa_exp.data.synthetic_field.write_field import label_text, scene_of

SETTINGS = SyntheticDataset(name="t", num_train_images=40, num_val_images=10, image_px=160, render_seed=3)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [scene_of(SETTINGS, "train", index) for index in range(40)]


def test_the_same_seed_gives_the_same_pixels_in_another_process() -> None:
    scene = scene_of(SETTINGS, "train", 0)
    here = hashlib.sha256(scene.bgr.tobytes() + label_text(scene.boxes, 160).encode()).hexdigest()
    code = (
        "import hashlib; from sdpa_exp.config.schema import SyntheticDataset as S;"
        "from sdpa_exp.data.synthetic_field.write_field import scene_of, label_text;"
        "s = scene_of(S(name='t', num_train_images=9, num_val_images=9, image_px=160, render_seed=3), 'train', 0);"
        "print(hashlib.sha256(s.bgr.tobytes() + label_text(s.boxes, 160).encode()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert here == there


def test_splits_indices_and_render_seeds_all_give_other_pictures() -> None:
    other_seed = SyntheticDataset(name="t", num_train_images=1, num_val_images=1, image_px=160, render_seed=4)
    pictures = [
        scene_of(SETTINGS, "train", 0),
        scene_of(SETTINGS, "train", 1),
        scene_of(SETTINGS, "val", 0),
        scene_of(other_seed, "train", 0),
    ]
    assert len({picture.bgr.tobytes() for picture in pictures}) == 4


def test_every_box_is_the_tight_frame_of_what_is_seen_of_its_plant(scenes: list[Scene]) -> None:
    num_boxes = 0
    for scene in scenes:
        frames = []
        for index, place in enumerate(scene.places):
            rows = np.flatnonzero((scene.owner == index).any(axis=1))
            columns = np.flatnonzero((scene.owner == index).any(axis=0))
            if len(rows):
                name = CLASS_NAMES.index(place.species.name)
                frames.append((name, columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        for box in scene.boxes:
            assert (box.class_id, box.x0, box.y0, box.x1, box.y1) in frames
            num_boxes += 1
    assert num_boxes > 200


def test_a_seen_plant_has_a_box_unless_it_is_mostly_hidden_or_tiny(scenes: list[Scene]) -> None:
    for scene in scenes:
        for index, (place, share) in enumerate(zip(scene.places, scene.visible_share, strict=True)):
            rows, columns = np.nonzero(scene.owner == index)
            if share < MIN_VISIBLE_SHARE or not len(rows):
                continue
            if min(np.ptp(rows), np.ptp(columns)) < 0.02 * SETTINGS.image_px:
                continue
            corner = (int(columns.min()), int(rows.min()), CLASS_NAMES.index(place.species.name))
            assert corner in [(box.x0, box.y0, box.class_id) for box in scene.boxes]


def test_painted_plants_differ_from_the_soil_inside_their_own_pixels(scenes: list[Scene]) -> None:
    """The owner map would be worthless if it were shifted against the picture."""
    votes = []
    for scene in scenes:
        colour = scene.bgr.astype(float)
        green = 2 * colour[..., 1] - colour[..., 0] - colour[..., 2]
        for index, place in enumerate(scene.places):
            is_plant = scene.owner == index
            if place.species.name == "crop" and is_plant.sum() > 50:
                near = np.roll(is_plant, (12, 12), axis=(0, 1)) & (scene.owner < 0)
                if near.any():
                    votes.append(green[is_plant].mean() > green[near].mean())
    assert np.mean(votes) > 0.98
    assert len(votes) > 50


def test_hidden_plants_get_no_box() -> None:
    hidden = [
        (scene, index)
        for scene in (render_scene(np.random.default_rng(seed), 96) for seed in range(60))
        for index, share in enumerate(scene.visible_share)
        if share < MIN_VISIBLE_SHARE
    ]
    assert hidden  # plants at the edge of the picture
    for scene, index in hidden:
        name = CLASS_NAMES.index(scene.places[index].species.name)
        rows, columns = np.nonzero(scene.owner == index)
        if len(rows):
            frame = (name, columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert frame not in [(b.class_id, b.x0, b.y0, b.x1, b.y1) for b in scene.boxes]


def test_sizes_run_from_under_32_to_over_96_px_at_640(scenes: list[Scene]) -> None:
    boxes = [box for scene in scenes for box in scene.boxes]
    side_px = np.asarray([np.sqrt((b.x1 - b.x0) * (b.y1 - b.y0)) for b in boxes]) * 640 / SETTINGS.image_px
    assert np.mean(side_px < 32) > 0.02
    assert np.mean((side_px >= 32) & (side_px <= 96)) > 0.3
    assert np.mean(side_px > 96) > 0.1


def test_every_class_occurs_often(scenes: list[Scene]) -> None:
    counts = np.bincount([box.class_id for scene in scenes for box in scene.boxes], minlength=len(CLASS_NAMES))
    assert counts.min() > 0.1 * counts.sum()


def test_labels_lie_inside_the_picture_and_read_back_as_the_same_pixels(scenes: list[Scene]) -> None:
    for scene in scenes:
        for line, box in zip(label_text(scene.boxes, 160).splitlines(), scene.boxes, strict=True):
            class_id, x, y, width, height = (float(word) for word in line.split())
            edges = [(x - width / 2) * 160, (y - height / 2) * 160, (x + width / 2) * 160, (y + height / 2) * 160]
            assert [int(class_id), *np.round(edges, 4)] == [box.class_id, box.x0, box.y0, box.x1, box.y1]
            assert min(edges) > -1e-4
            assert max(edges) < 160 + 1e-4


def test_resolution_does_not_change_what_grows_where() -> None:
    small, large = (render_scene(np.random.default_rng(1), size_px) for size_px in (160, 480))
    assert small.places == large.places
    for a, b in zip(small.boxes, large.boxes, strict=True):
        assert a.class_id == b.class_id
        assert np.abs(np.asarray([a.x0, a.y0, a.x1, a.y1]) * 3 - [b.x0, b.y0, b.x1, b.y1]).max() <= 9
    assert small.bgr.shape == (160, 160, 3)
    assert large.bgr.shape == (480, 480, 3)


@pytest.mark.parametrize("species", SPECIES, ids=CLASS_NAMES)
def test_a_painted_plant_is_about_as_wide_as_asked(species: Species) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        sprite = paint_plant(rng, species, draw_sun(rng), 120.0)
        rows, columns = np.nonzero(sprite.mask)
        assert 70 < max(np.ptp(rows), np.ptp(columns)) < 150
        assert sprite.bgr[sprite.mask > 0].any(axis=1).mean() > 0.99  # painted wherever the mask says so
