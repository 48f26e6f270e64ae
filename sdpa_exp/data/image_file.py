"""Checks one image by decoding it to the end, so that a truncated file is found before training."""

from __future__ import annotations

import io
import math
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError

from sdpa_exp.data.dataset_digest import bytes_digest

_MIN_SIDE_PX = 10  # Ultralytics leaves out smaller ones
_SURE = frozenset({"JPEG", "PNG", "BMP", "WEBP"})  # what PIL decodes of these, Ultralytics' reader does too
_KINDS = (
    "JPEG",
    "PNG",
    "BMP",
    "TIFF",
    "WEBP",
    "JPEG2000",
    "AVIF",
)  # what Ultralytics and PIL both read, without plugins
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)  # EXIF's tag, and its values for a quarter turn
_END_OF_IMAGE = b"\xff\xd9"


@dataclass(frozen=True, kw_only=True)
class CheckedImage:
    """What is known of an image file.

    Attributes:
        sha256: of its bytes, in hex.
        fault: None, or why it can't be used.
        is_open_ended: a JPEG that decodes but does not end with its end mark. Ultralytics would encode it again, in
            place (check_image in ultralytics/data/utils.py).
        is_deep: its channels have more than 8 bits, of which Ultralytics keeps the upper 8.
    """

    sha256: str
    fault: str | None = None
    is_open_ended: bool = False
    is_deep: bool = False


def check_image(path: Path) -> CheckedImage:
    """Read, hash and decode an image; JPEGs are decoded at an eighth of their size, which still reads every byte."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return CheckedImage(sha256="", fault="does not exist")
    except OSError as error:
        return CheckedImage(sha256="", fault=f"can't be read: {error.strerror}")
    sha256 = bytes_digest(content)
    if not content:
        return CheckedImage(sha256=sha256, fault="is empty")
    try:
        kind, size, is_deep = _decode(content)
    except _ImageError as fault:
        return CheckedImage(sha256=sha256, fault=str(fault))
    fault_of_size = _fault_of_size(*size)
    if fault_of_size is None and kind not in _SURE and not _can_train_on(path):
        return CheckedImage(
            sha256=sha256, fault=f"is a {kind} that OpenCV can't read: save it as PNG, 8 bits a channel"
        )
    is_open_ended = kind == "JPEG" and not content.endswith(_END_OF_IMAGE)
    return CheckedImage(sha256=sha256, fault=fault_of_size, is_open_ended=is_open_ended, is_deep=is_deep)


def image_size(path: Path) -> tuple[int, int] | None:
    """(width, height) in pixels as Ultralytics reads it, turned as EXIF says; None where the file can't be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with path.open("rb") as file, _open(file) as image:  # the head alone is read
                width, height = image.size
                is_turned = image.getexif().get(_ORIENTATION) in _TURNED
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return None
    return (height, width) if is_turned else (width, height)


class _ImageError(Exception):
    """Why the bytes of an image can't be used."""


def _decode(content: bytes) -> tuple[str | None, tuple[int, int], bool]:
    """Format and size of an image, and whether its channels have more than 8 bits.

    Raises:
        _ImageError: it can't be decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL warns of odd EXIF blocks
            with _open(io.BytesIO(content)) as image:
                size, kind, is_deep = image.size, image.format, _is_deep(image)
                if _fault_of_size(*size) is None:  # before a gigabyte is decoded
                    image.draft(None, (max(1, size[0] // 8), max(1, size[1] // 8)))
                    image.load()
                return kind, size, is_deep
    except UnidentifiedImageError:
        raise _ImageError(
            "is no image that can be read: expected JPEG, PNG, BMP, TIFF, WebP, JPEG 2000 or AVIF"
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise _ImageError(f"is damaged: {error}") from error


def _fault_of_size(width: int, height: int) -> str | None:
    """Why Ultralytics would leave out an image of this size; the upper limit is PIL's, against zip bombs."""
    if min(width, height) < _MIN_SIDE_PX:
        return f"is {width} x {height} px: expected {_MIN_SIDE_PX} px or more"
    limit = 2 * (Image.MAX_IMAGE_PIXELS or math.inf)
    if width * height > limit:
        return (
            f"is {width} x {height} px, {width * height / 1e6:.0f} megapixels: Pillow refuses more than "
            f"{limit / 1e6:.0f}. Scale it down or cut it into tiles"
        )
    return None


def _is_deep(image: ImageFile.ImageFile) -> bool:
    raw_modes = str([tile[3] for tile in image.tile]) if image.format in ("PNG", "TIFF") else ""
    return image.mode.startswith(("I", "F")) or ";16" in raw_modes


def _can_train_on(path: Path) -> bool:
    """Whether Ultralytics' own reader gets an image out of a file of a rare kind."""
    from ultralytics.utils.patches import imread

    return imread(path) is not None


def _open(file: BinaryIO) -> ImageFile.ImageFile:
    """Like PIL's `open`, which Ultralytics replaces by one that runs pip when it does not know a file."""
    Image.init()
    head = file.read(16)
    for kind in _KINDS:
        factory, accepts = Image.OPEN.get(kind, (None, None))
        if factory is None or (accepts is not None and accepts(head) is not True):
            continue
        try:
            file.seek(0)
            return factory(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error):  # PIL's ways to say that it is another kind
            continue
    raise UnidentifiedImageError


def closed_jpeg(content: bytes) -> bytes:
    """The bytes of an open-ended JPEG with an end mark: the same pixels, and nothing for Ultralytics to restore."""
    return content + _END_OF_IMAGE
