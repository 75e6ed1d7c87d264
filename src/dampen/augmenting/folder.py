"""A folder of images becomes a folder of changed copies."""

from __future__ import annotations

import itertools
import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from ..data.files import SHEET
from ..errors import DampenError
from ..presets import as_recipe
from ..settings import check_count, check_seed
from ..words import counted, listed
from .changes import Changes, images_of
from .pictures import read, save
from .sheet import contact_sheet
from .sources import Source, check_apart, check_free, check_sheet, images_below, sources

NUMBERS = 2**20
"""Of images that are changed in one go: small ones together, for what an operation costs by itself."""
MOST_THREADS, NUMBERS_AT_ONCE = 4, 2**27
"""Of large photographs fewer at a time: each number takes some twenty bytes while it is changed."""

Watch = Callable[[int, int], None]
"""Called whenever images are done with (done, in all)."""


class Written(NamedTuple):
    """num_images: originals. num_copies: files written. sheet: the contact sheet. notes: what was left out."""

    num_images: int
    num_copies: int
    out_dir: Path
    sheet: Path
    notes: tuple[str, ...]

    def __str__(self) -> str:
        told = f"{counted(self.num_copies, 'file')} in {self.out_dir}, from {counted(self.num_images, 'image')}."
        return "\n".join([told, f"The contact sheet: {self.sheet}", *(f"note: {note}" for note in self.notes)])


def augment_folder(
    in_dir: str | Path,
    out_dir: str | Path,
    recipe: Any,
    *,
    copies: int = 4,
    seed: int = 0,
    sheet: str | Path | None = None,
    force: bool = False,
    skip_broken: bool = False,
    watch: Watch | None = None,
) -> Written:
    """Write changed copies of all images in a folder and below it: cat/photo.jpg -> cat/photo-1.jpg, ...

    recipe: techniques that change images one by one (a `Recipe`, a technique, text such as "RandomAffine(rotation=20)
    + Cutout"), at the strengths that they have in a training. sheet: where to put a picture of some originals and their
    copies; by default contact-sheet.png in out_dir. force: write over files that are there. skip_broken: leave out
    files that cannot be decoded. watch: called with (images done, images in all).

    Each image keeps its size, its mode (palettes become colour) and, where that holds it without loss, its format;
    others become PNG; JPEG is written at quality 95. Outside of an image is 0, as in a training. What a copy looks like
    depends on the seed, the image, its name and the copy's number alone. Techniques that ask for facts of a training
    part get the range of the format (0 to 255, or 65,535), and the mean and deviation of the image itself.

    Raises `DampenError`, before anything is written, for a recipe that does anything else, a folder that is not there,
    broken files, modes that are not read (inks, colours of 16 bits), places that overlap, and files that are there.
    """
    in_dir, out_dir = Path(in_dir), Path(out_dir)
    page = out_dir / SHEET if sheet is None else Path(sheet)
    copies, changes = check_count("copies", copies), Changes(as_recipe(recipe), check_seed(seed))
    found = images_below(in_dir)
    check_apart(found, in_dir, out_dir)
    check_sheet(page, out_dir, found)
    files, broken = sources(found, in_dir, skip_broken)
    if clear := next((file.name for file in files if file.look.clear), None):
        changes.check_clear(clear)
    check_free(files, copies, out_dir, page, force)
    try:
        _write(files, changes, copies, out_dir, watch)
        contact_sheet(page, files, copies, out_dir, f"{changes.recipe}, seed {seed}")
    except OSError as error:
        raise DampenError(
            f"OUT_DIR must be a folder that can be written to; got {str(out_dir)!r}: {error.strerror or error}. What "
            "is there is whole; go on with --force."
        ) from None
    return Written(len(files), len(files) * copies, out_dir, page, _notes(found.others, broken))


def _notes(others: Sequence[str], broken: Sequence[str]) -> tuple[str, ...]:
    parts = {"no images": others, "broken": broken}
    told = (f"left out, {why}: {listed(names, 3)}." for why, names in parts.items() if names)
    return tuple(note.encode("utf-8", "backslashreplace").decode("utf-8") for note in told)


def _write(files: Sequence[Source], changes: Changes, copies: int, out_dir: Path, watch: Watch | None) -> None:
    for folder in sorted({os.path.dirname(file.name) for file in files}):
        (out_dir / folder).mkdir(parents=True, exist_ok=True)

    def write(chunk: Sequence[Source]) -> int:
        look, names = chunk[0].look, [file.name for file in chunk]
        pictures = [read(file.path, file.name, look) for file in chunk]
        images = images_of(look, [picture.pixels for picture in pictures])
        for number in range(1, copies + 1):
            changed = changes.of(images, names, number)
            for file, picture, pixels in zip(chunk, pictures, changed, strict=True):
                save(out_dir / file.copy(number), picture._replace(pixels=pixels))
        return len(chunk)

    done, largest = 0, max(math.prod(file.look.shape) for file in files)
    threads = max(1, min(MOST_THREADS, os.cpu_count() or 1, NUMBERS_AT_ONCE // largest))
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
        warnings.simplefilter("ignore")  # of odd metadata; every file has been decoded before
        for count in pool.map(write, _chunks(files)):
            done += count
            if watch is not None:
                watch(done, len(files))


def _chunks(files: Sequence[Source]) -> Iterator[Sequence[Source]]:
    """Neighbours of one look, a few million numbers together."""
    for look, alike in itertools.groupby(files, key=lambda file: file.look):
        every = list(alike)
        size = max(1, NUMBERS // math.prod(look.shape))
        yield from (every[start : start + size] for start in range(0, len(every), size))
