"""Checks one image by decoding it to the end, so that a truncated file is found before training."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from sdpa_exp.data.digest import bytes_digest

_MIN_SIDE_PX = 10  # Ultralytics leaves out smaller ones
_KINDS = (
    "JPEG",
    "PNG",
    "BMP",
    "TIFF",
    "WEBP",
    "JPEG2000",
    "AVIF",
)  # what Ultralytics and PIL both read, without plugins
_END_OF_IMAGE = b"\xff\xd9"


@dataclass(frozen=True, kw_only=True)
class CheckedImage:
    """What is known of an image file.

    Attributes:
        sha256: of its bytes, in hex.
        fault: None, or why it can't be used.
        is_open_ended: a JPEG that decodes but does not end with its end mark. Ultralytics would encode it again, in
            place (check_image in ultralytics/data/utils.py).
    """

    sha256: str
    fault: str | None = None
    is_open_ended: bool = False


def check_image(path: Path) -> CheckedImage:
    """Read, hash and decode an image; JPEGs are decoded at an eighth of their size, which still reads every byte."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return CheckedImage(sha256="", fault="does not exist")
    except OSError as error:
        return CheckedImage(sha256="", fault=f"can't be read: {error.strerror}")
    fault, kind = _decode(content) if content else ("is empty", None)
    is_open_ended = kind == "JPEG" and not content.endswith(_END_OF_IMAGE)
    return CheckedImage(sha256=bytes_digest(content), fault=fault, is_open_ended=is_open_ended)


def _decode(content: bytes) -> tuple[str | None, str | None]:
    """What is wrong with the bytes of an image, or None, and their format."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL warns of odd EXIF blocks
            with _open(content) as image:
                size, kind = image.size, image.format
                image.draft(None, (max(1, size[0] // 8), max(1, size[1] // 8)))
                image.load()
    except UnidentifiedImageError:
        return "is no image that can be read: expected JPEG, PNG, BMP, TIFF, WebP, JPEG 2000 or AVIF", None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        return f"is damaged: {error}", None
    if min(size) < _MIN_SIDE_PX:
        return f"is {size[0]} x {size[1]} px: expected {_MIN_SIDE_PX} px or more", kind
    return None, kind


def _open(content: bytes) -> ImageFile.ImageFile:
    """Like PIL's `open`, which Ultralytics replaces by one that runs pip when it does not know a file."""
    Image.init()
    for kind in _KINDS:
        factory, accepts = Image.OPEN.get(kind, (None, None))
        if factory is None or (accepts is not None and accepts(content[:16]) is not True):
            continue
        try:
            return factory(io.BytesIO(content), "")
        except (SyntaxError, IndexError, TypeError, struct.error):  # PIL's ways to say that it is another kind
            continue
    raise UnidentifiedImageError


def closed_jpeg(content: bytes) -> bytes:
    """The bytes of an open-ended JPEG with an end mark: the same pixels, and nothing for Ultralytics to restore."""
    return content + _END_OF_IMAGE
