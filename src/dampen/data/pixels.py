"""Image files of one size and mode as one array."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..errors import DampenError, first_line
from ..words import counted
from .files import LARGEST_BYTES, check_unpacked

CHUNK = 256
"""Files decoded between two looks at what came out."""
WORTH_THREADS_BYTES = 16_000
"""Decoding such a file takes long enough to be shared among threads; for 28 x 28 pixels they cost three times more."""
READ_AS = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB"}
"""Modes that are read, and as what; the others would lose something: transparency, inks, more than 8 bits."""
SAID = {
    "L": "grey",
    "RGB": "colour",
    "RGBA": "colour with transparency",
    "LA": "grey with transparency",
    "CMYK": "inks",
}


class Pixels(NamedTuple):
    """images: uint8 (R, C, H, W), C 1 for grey and 3 for colour. kept: which of the files they are, in order."""

    images: np.ndarray
    kept: np.ndarray


class Bad(NamedTuple):
    """broken: cannot be decoded; else it is sound, but of a mode that is not read."""

    why: str
    broken: bool


T = TypeVar("T")


def decode(paths: Sequence[Path], shown: Callable[[Path], str], skip_broken: bool = False) -> Pixels:
    """Decode all files; `shown` names one to people. Raises `DampenError` naming the first file that is broken
    (unless `skip_broken`), the first two that differ in size or mode, and the first of a mode that is not read."""
    images, first, broken = np.empty(0, np.uint8), paths[0], {}
    for row, result in enumerate(each(paths, _pixels)):
        if isinstance(result, Bad):
            if not result.broken:
                raise DampenError(f"{shown(paths[row])} {result.why}")
            broken[row] = result.why
            continue
        if not images.size:
            check_unpacked(counted(len(paths), "image"), LARGEST_BYTES, len(paths) * result.size)
            images, first = np.empty((len(paths), *result.shape), np.uint8), paths[row]
        if result.shape != images.shape[1:]:
            raise DampenError(
                f"All images must have one size and mode; {shown(first)} is {_look(images.shape[1:])} and "
                f"{shown(paths[row])} {_look(result.shape)}. Bring them to one size and mode."
            )
        images[row] = result
    if broken and not (skip_broken and images.size):
        row = min(broken)
        raise DampenError(
            f"{shown(paths[row])} is broken: {broken[row]} ({len(broken):,} of {counted(len(paths), 'file')}). "
            "Mend or delete it, or leave broken files out with --skip-broken."
        )
    kept = np.setdiff1d(np.arange(len(paths)), list(broken))
    return Pixels(images[kept] if broken else images, kept)


def each(paths: Sequence[Path], read: Callable[[Path], T]) -> Iterator[T]:
    """`read(path)` of every file, in order; of large ones several at a time."""
    from PIL import Image

    workers = min(8, os.cpu_count() or 1)
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")  # of odd metadata; what cannot be decoded is an error
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        apply = pool.map if workers > 1 and paths[0].stat().st_size >= WORTH_THREADS_BYTES else map
        for start in range(0, len(paths), CHUNK):
            yield from apply(read, paths[start : start + CHUNK])


def opened(path: Path, take: Callable[[Any], T]) -> T | Bad:
    """What `take` makes of an image file, opened by Pillow; why not, where it cannot be decoded or holds several."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            if getattr(image, "is_animated", False):
                return Bad("holds several pictures; it must hold one. Store the one that counts.", broken=False)
            return take(image)
    except Exception as error:  # decoders of broken files raise whatever they stumble over
        return Bad(first_line(error).rstrip(".").replace(f" {str(path)!r}", ""), broken=True)


def _pixels(path: Path) -> np.ndarray | Bad:
    """(C, H, W) uint8."""
    return opened(path, _array)


def _array(image: Any) -> np.ndarray | Bad:
    mode = READ_AS.get(image.mode)
    if mode is None or "transparency" in image.info:
        look = "transparency" if "transparency" in image.info else SAID.get(image.mode, f"mode {image.mode}")
        return Bad(
            f"must be grey or colour of 8 bits, without transparency; got {look}. Convert it: on which background, or "
            "to which range, is yours to decide.",
            broken=False,
        )
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _look(shape: tuple[int, ...]) -> str:
    return f"{shape[2]} x {shape[1]} {'grey' if shape[0] == 1 else 'colour'}"
