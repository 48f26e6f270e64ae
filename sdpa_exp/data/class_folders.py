"""Own data for models that name the class of a whole image: train/CLASS/*.jpg and val/CLASS/*.jpg, checked and linked.

Ultralytics leaves out, in silence, what it can't read and every class of val that train does not have; it splits train
by itself where val is missing. Here each is an error. As for other data sets, it is shown links in our cache.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from sdpa_exp.config.schema import FilesDataset
from sdpa_exp.data.bad_files import first_named, sentences_of
from sdpa_exp.data.build_once import build_once
from sdpa_exp.data.dataset_digest import NO_LABEL, bytes_digest, content_digest
from sdpa_exp.data.find_images import IMAGE_SUFFIXES, SPLIT_NAMES
from sdpa_exp.data.image_file import CheckedImage, closed_jpeg
from sdpa_exp.data.linked_view import link
from sdpa_exp.data.prepared_dataset import IMAGE, LeftOut, PreparedDataset
from sdpa_exp.data.seen_images import check_images
from sdpa_exp.data.subset import note_of, num_used, used
from sdpa_exp.errors import DatasetError

_log = logging.getLogger(__name__)


def prepare_class_folders(dataset: FilesDataset, root: Path, cache: Path, split: str | None = None) -> PreparedDataset:
    """Check the folders, and make them loadable from anywhere.

    Args:
        dataset: what becomes of bad images, and how many are used.
        root: the folder that has train/ and val/.
        cache: our cache folder.
        split: one that is wanted beside train and val.

    Raises:
        DatasetError: a folder is missing or empty, or an image can't be used; up to ten are named.
    """
    wanted = list(dict.fromkeys(["train", "val", split or "val"]))
    files = {name: _images_of(_split_folder(root, name)) for name in wanted}
    classes = tuple(sorted({path.parent.name for path in files["train"]}))
    _refuse_other_classes(root, files, classes)
    files, counts = _used(dataset, files)
    paths = [path for each in files.values() for path in each]
    try:
        checked = dict(zip(paths, check_images(paths, origin=root, cache=cache), strict=True))
    except OSError as error:
        raise DatasetError(f"The data set {root} or the cache {cache} can't be used: {error}.") from error
    faults = [f"{path} {image.fault}" for path, image in checked.items() if image.fault]
    left_out: tuple[LeftOut, ...] = ()
    if faults and dataset.on_bad == "drop":
        left_out = tuple(
            LeftOut(split=name, image=f"{path.parent.name}/{path.name}", what=IMAGE, why=str(checked[path].fault))
            for name, each in files.items()
            for path in each
            if checked[path].fault
        )
        files = {name: [path for path in each if not checked[path].fault] for name, each in files.items()}
    elif faults:
        raise DatasetError(
            f"{root} has {len(faults)} bad images of {len(paths)}; Ultralytics would leave them out in silence. Repair "
            "or remove them, or set dataset.on_bad=drop, which lists what it leaves out; task=data shows what "
            f"is wrong and mends a copy:{first_named(faults)}"
        )
    lines = [
        (name, f"{path.parent.name}/{path.name}", checked[path].sha256, NO_LABEL)
        for name, each in files.items()
        for path in each
    ]
    digest = content_digest(classes, lines, map(astuple, left_out))
    view = cache / "views" / f"{digest[:16]}-{bytes_digest(str(root).encode('utf-8', 'surrogateescape'))[:8]}-classes"
    targets = {f"{name}/{path.parent.name}/{path.name}": path for name, each in files.items() for path in each}
    build_once(view, build=lambda draft: _build(draft, targets, checked), fault_of=lambda found: _fault(found, targets))
    warnings = (
        *note_of(dataset, counts),
        *_leaks(files, {path: image.sha256 for path, image in checked.items()}),
        *sentences_of(left_out),
    )
    for sentence in warnings:
        _log.warning(sentence)
    return PreparedDataset(
        yaml_path=view,
        digest=digest,
        class_names=classes,
        num_train_images=len(files["train"]),
        num_val_images=len(files["val"]),
        num_train_boxes=0,
        num_val_boxes=0,
        warnings=warnings,
        left_out=left_out,
    )


def _used(dataset: FilesDataset, files: dict[str, list[Path]]) -> tuple[dict[str, list[Path]], list[str]]:
    """The images that are used, of each class in turn, and how many these are in words."""
    chosen = {}
    for split, each in files.items():
        classes = [path.parent.name for path in each]
        names = [f"{path.parent.name}/{path.name}" for path in each]
        chosen[split] = [each[place] for place in used(names, num_used(dataset, split, len(each)), classes)]
    return chosen, [f"{len(chosen[split])} of {len(each)} {split} images" for split, each in files.items()]


def _split_folder(root: Path, split: str) -> Path:
    found = next((root / name for name in SPLIT_NAMES[split] if (root / name).is_dir()), None)
    if found is None:
        raise DatasetError(
            f"{root} has no folder {split}, and the model names the class of a whole image: expected "
            f"{root / split}/CLASS/ with the images of each class. Set dataset.path to a folder that has train/ and "
            "val/ in this way."
        )
    return found


def _images_of(folder: Path) -> list[Path]:
    images = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise DatasetError(f"{folder} holds no images in folders of classes: expected {folder}/CLASS/*.jpg or such.")
    return images


def _refuse_other_classes(root: Path, files: dict[str, list[Path]], classes: tuple[str, ...]) -> None:
    for split, each in files.items():
        unknown = sorted({path.parent.name for path in each} - set(classes))
        if unknown:
            raise DatasetError(
                f"{root} has the class {unknown[0]} in {split} and not in train: Ultralytics would leave its images "
                "out in silence. Add images of it to train, or remove it."
            )
    if len(classes) < 2:
        raise DatasetError(f"{root} has one class, {classes[0]}: expected two or more folders of classes in train.")


def _leaks(files: dict[str, list[Path]], digests: dict[Path, str]) -> Sequence[str]:
    trained = {digests[path] for path in files["train"]}
    leaked = [path.name for path in files["val"] if digests[path] in trained]
    if not leaked:
        return []
    return [
        f"{len(leaked)} of {len(files['val'])} val images are also in train, byte for byte ({leaked[0]}, ...): the "
        "metrics are too good by that; task=data shows them and mends a copy."
    ]


def _build(draft: Path, targets: dict[str, Path], checked: dict[Path, CheckedImage]) -> None:
    for name, image in targets.items():
        (draft / name).parent.mkdir(parents=True, exist_ok=True)
        if checked[image].is_open_ended:  # Ultralytics would encode it again, in place
            (draft / name).write_bytes(closed_jpeg(image.read_bytes()))
        else:
            link(image, draft / name)


def _fault(folder: Path, targets: dict[str, Path]) -> str | None:
    try:
        found = {path.relative_to(folder).as_posix() for path in folder.glob("*/*/*") if path.suffix != ".npy"}
        if found != set(targets):
            return f"its images are not those of the data set: {min(found ^ set(targets))}"
        closing = len(closed_jpeg(b""))
        sizes = {name: ((folder / name).stat().st_size, image.stat().st_size) for name, image in targets.items()}
        other = [name for name, (there, here) in sizes.items() if there - here not in (0, closing)]
        return f"{other[0]} is not the image it was made from" if other else None
    except OSError as error:
        return f"{type(error).__name__}: {error}"
