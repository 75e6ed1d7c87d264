"""Image files of any size and mode as arrays, and arrays as image files again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data.pixels import SAID, Bad, opened
from ..errors import DampenError
from ..writing import whole

CLEAR = {"L": "LA", "P": "RGBA", "RGB": "RGBA"}
"""What a mode becomes where its file names a colour that stands for nothing there."""
READ_AS = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB", "LA": "LA", "PA": "RGBA", "RGBA": "RGBA", "I;16": "I;16"}
FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    ".png": ("PNG", ("L", "LA", "RGB", "RGBA", "I;16")),
    **dict.fromkeys((".tif", ".tiff"), ("TIFF", ("L", "LA", "RGB", "RGBA", "I;16"))),
    **dict.fromkeys((".jpg", ".jpeg"), ("JPEG", ("L", "RGB"))),
    ".webp": ("WEBP", ("RGB", "RGBA")),
    ".bmp": ("BMP", ("L", "RGB")),
    ".pgm": ("PPM", ("L", "I;16")),
    ".ppm": ("PPM", ("RGB",)),
}
"""By ending: the format, and the modes that it holds without loss; whatever else becomes PNG."""
SAVED: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
ORIENTATION = 0x0112
"""The EXIF tag that says which way up a camera was held."""


class Look(NamedTuple):
    """mode: L, LA, RGB, RGBA or I;16 (grey of 16 bits). shape: (C, H, W)."""

    mode: str
    shape: tuple[int, ...]

    @property
    def clear(self) -> bool:
        """Whether the last channel says how much of a pixel there is."""
        return self.mode.endswith("A")

    @property
    def white(self) -> float:
        return 65535.0 if self.mode == "I;16" else 255.0

    @property
    def dtype(self) -> Any:
        return np.uint16 if self.mode == "I;16" else np.uint8


class Picture(NamedTuple):
    """pixels: (C, H, W), as they are stored; beside them what a viewer needs to show them as it shows the original:
    which way up, and what the colours mean."""

    look: Look
    pixels: np.ndarray
    orientation: int
    profile: bytes | None


def look_of(path: Path) -> Look | Bad:
    """What a file holds, after all of it was decoded."""
    picture = opened(path, _picture)
    return picture if isinstance(picture, Bad) else picture.look


def read(path: Path, shown: str, look: Look) -> Picture:
    """The file that `look_of` found good. Raises `DampenError` where it has changed since."""
    picture = opened(path, _picture)
    if isinstance(picture, Bad) or picture.look != look:
        raise DampenError(
            f"{shown} must stay as it is while copies are made; it has changed. Start again with --force."
        )
    return picture


def ending(path: Path, look: Look) -> str:
    """Of the copies: the original's, or .png where that could not hold them."""
    return path.suffix if look.mode in FORMATS.get(path.suffix.lower(), ("", ()))[1] else ".png"


def save(path: Path, picture: Picture) -> None:
    """Whole or not at all."""
    from PIL import Image

    form = FORMATS[path.suffix.lower()][0]
    pixels = picture.pixels[0] if len(picture.pixels) == 1 else np.moveaxis(picture.pixels, 0, -1)
    options = dict(SAVED.get(form, {}))
    if picture.orientation:
        options["exif"] = Image.Exif()
        options["exif"][ORIENTATION] = picture.orientation
    if picture.profile:
        options["icc_profile"] = picture.profile
    with whole(path) as temporary:
        Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, form, **options)


def _picture(image: Any) -> Picture | Bad:
    deep = _is_deep(image)
    mode = image.mode if image.mode in READ_AS else "I;16" if deep and image.mode in ("I", "I;16B") else ""
    clear = "transparency" in image.info
    if not mode or (deep and mode != "I;16") or (clear and mode == "I;16"):
        return Bad(
            f"must be grey or colour of 8 bits, or grey of 16; got {_said(image, deep)}. Convert it.", broken=False
        )
    mode = CLEAR.get(mode, mode) if clear else READ_AS[mode]
    image.load()
    turned = image.getexif().get(ORIENTATION, 0)  # a TIFF has been turned upright by now, and says so
    pixels = np.asarray(image if image.mode == mode or mode == "I;16" else image.convert(mode))
    pixels = pixels.astype(np.uint16) if mode == "I;16" else pixels
    pixels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    return Picture(Look(mode, pixels.shape), pixels, turned, image.info.get("icc_profile"))


def _is_deep(image: Any) -> bool:
    """Whether the file has more than 8 bits a channel: colours are cut to 8 without a word where it has."""
    arguments = [part for tile in image.tile for part in (tile[3] if isinstance(tile[3], tuple) else (tile[3],))]
    return ";16" in str(arguments) or (image.format == "PPM" and any(isinstance(a, int) and a > 255 for a in arguments))


def _said(image: Any, deep: bool) -> str:
    if deep:
        return "16 bits with transparency" if image.mode.startswith("I") else "colour of 16 bits"
    return SAID.get(image.mode, f"mode {image.mode}")
