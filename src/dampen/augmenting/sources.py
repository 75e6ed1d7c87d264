"""Which images a folder holds, what their copies are called, and that nothing is written over."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..data.files import IMAGE_SUFFIXES, hidden, is_image
from ..data.pixels import each
from ..errors import DampenError
from ..words import counted, listed, natural
from .pictures import Look, ending, look_of


class Source(NamedTuple):
    """One image. name: its path below the folder, with slashes. ending: of its copies."""

    name: str
    path: Path
    look: Look
    ending: str

    def copy(self, number: int) -> str:
        """cat/photo.jpg -> cat/photo-1.jpg"""
        return f"{os.path.splitext(self.name)[0]}-{number}{self.ending}"


class Found(NamedTuple):
    """names: of all images below the folder, as people sort. others: of the other files. roots: the folders that were
    read, links followed; those inside of another one are left out."""

    names: list[str]
    others: list[str]
    roots: list[Path]


def images_below(in_dir: Path) -> Found:
    """Raises `DampenError` where there is no folder, or no image in it."""
    if not in_dir.is_dir():
        got = "which is a file" if in_dir.exists() else "which does not exist"
        raise DampenError(f"IN_DIR must be a folder of images; got {str(in_dir)!r}, {got}.")
    names: list[str] = []
    others: list[str] = []
    roots = [in_dir.resolve()]
    for name, kind in _walk(in_dir, "", {roots[0]}, roots):
        (names if kind else others).append(name)
    if not names:
        rest = f"{counted(len(others), 'file')} but no image" if others else "no file"
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DampenError(f"IN_DIR must hold images ({known}); got {str(in_dir)!r} with {rest}.")
    return Found(sorted(names, key=natural), sorted(others, key=natural), roots)


def _walk(folder: Path, below: str, seen: set[Path], roots: list[Path]) -> Iterator[tuple[str, bool]]:
    """(name, whether it is an image) of every file. Links to folders are followed, each folder once."""
    for entry in os.scandir(folder):
        path, name = Path(entry.path), below + entry.name
        if hidden(path):
            continue
        if entry.is_dir():
            real = path.resolve()
            if real not in seen:
                seen.add(real)
                if not any(real.is_relative_to(root) for root in roots):
                    roots.append(real)
                yield from _walk(path, f"{name}/", seen, roots)
        elif entry.is_file() or entry.is_symlink():
            yield name, is_image(path)


def check_apart(found: Found, in_dir: Path, out_dir: Path) -> None:
    """Refuse to write where is read: into IN_DIR or around it, also through links."""
    if out_dir.exists() and not out_dir.is_dir():
        raise DampenError(f"OUT_DIR must be a folder; got the file {str(out_dir)!r}. Name another.")
    out = out_dir.resolve()
    folders = {os.path.dirname(name) for name in found.names}
    for root in found.roots:
        if out == root:
            how = "the same folder"
        elif root.is_relative_to(out):
            how = "which holds it"
        elif any((out / folder).resolve().is_relative_to(root) for folder in ("", *folders)):
            how = "which leads into it"
        else:
            continue
        raise DampenError(
            f"OUT_DIR must lie apart from IN_DIR, {str(in_dir)!r}; got {str(out_dir)!r}, {how}. Name another folder."
        )


def sources(found: Found, in_dir: Path, skip_broken: bool) -> tuple[list[Source], list[str]]:
    """(the images, the names of broken ones left out). Every file is decoded: what cannot be is refused before anything
    is written, and so are images whose copies would have the same name."""
    paths = [in_dir / name for name in found.names]
    good: list[Source] = []
    broken: dict[str, str] = {}
    for name, path, look in zip(found.names, paths, each(paths, look_of), strict=True):
        if isinstance(look, Look):
            good.append(Source(name, path, look, ending(path, look)))
        elif look.broken:
            broken[name] = look.why
        else:
            raise DampenError(f"{name} {look.why}")
    if broken and not (skip_broken and good):
        name, why = next(iter(broken.items()))
        raise DampenError(
            f"{name} is broken: {why} ({len(broken):,} of {counted(len(paths), 'file')}). Nothing is written; mend or "
            "delete it, or leave broken files out with --skip-broken."
        )
    _check_names(good)
    return good, list(broken)


def _check_names(files: Sequence[Source]) -> None:
    known: dict[str, str] = {}
    for file in files:
        other = known.setdefault(file.copy(1), file.name)
        if other != file.name:
            raise DampenError(
                f"Every image must have copies of its own; {other} and {file.name} would both become {file.copy(1)}. "
                "Rename one."
            )


def check_free(files: Sequence[Source], copies: int, out_dir: Path, sheet: Path, force: bool) -> None:
    """Refuse to write over a file that is there, unless told to."""
    paths = [f"{out_dir}/{file.copy(number)}" for file in files for number in range(1, copies + 1)]
    page, place = os.path.abspath(sheet), os.path.abspath(out_dir)
    if any(f"{place}{path.removeprefix(str(out_dir))}" == page for path in paths):
        raise DampenError(f"--sheet must be a file of its own; got {str(sheet)!r}, which is a copy. Name another.")
    there = [] if force else [path for path in (*paths, str(sheet)) if os.path.lexists(path)]
    if there:
        raise DampenError(
            f"No file must be written over; {counted(len(there), 'file')} of that name there already: "
            f"{listed(there, 3)}. Name another OUT_DIR, or write over them with --force."
        )


def check_sheet(sheet: Path, out_dir: Path, found: Found) -> None:
    place = sheet.resolve()
    if place.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise DampenError(f"--sheet must end in .png or .jpg; got {str(sheet)!r}.")
    if sheet.is_dir() or not (place.parent.is_dir() or place.is_relative_to(out_dir.resolve())):
        got = "which is a folder" if sheet.is_dir() else "whose folder does not exist"
        raise DampenError(f"--sheet must be a file in a folder that is there; got {str(sheet)!r}, {got}.")
    if any(place.is_relative_to(root) for root in found.roots):
        raise DampenError(f"--sheet must lie apart from IN_DIR; got {str(sheet)!r}, which is in it. Name another.")
