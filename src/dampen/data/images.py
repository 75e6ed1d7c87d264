"""Folders of image files: one folder per class, or a table of file names and labels."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import DampenError
from ..words import counted, listed, natural
from .dataset import Dataset, from_arrays
from .files import check_test_classes, hidden, is_image, naturally_ordered
from .labels import read_labels
from .pixels import decode

TRAIN, TEST = ("train", "training"), ("test", "testing")
VALIDATION = ("val", "valid", "validation")
LABEL_FILES = ("train.csv", "labels.csv")


class _Listed(NamedTuple):
    """Files and their labels, in the order of the rows; the first `num_train` are no test part."""

    paths: list[Path]
    labels: list[str]
    num_train: int
    notes: tuple[str, ...] = ()


def load_images(folder: str | Path, labels: str | Path | None = None, skip_broken: bool = False) -> Dataset:
    """Images as uint8 (R, C, H, W), their classes in natural order. Two forms of folder:

    - `CLASS/*.png`, or `train/CLASS/*.png` with a test part in `test/CLASS/*.png`; a `val/` folder joins the
      training part, as every seed draws a validation part of its own;
    - `train.csv` (or `labels`: columns filename and label) and images in `train/`, `images/` or beside it; `test.csv`
      with labels is the test part.

    Palettes become colour, black-and-white becomes grey. Raises `DampenError` for broken files (`skip_broken` leaves
    them out and says so in `notes`), for images of different sizes or modes, for labels without files and files
    without labels.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DampenError(f"There is no folder {str(folder)!r}.")
    table = Path(labels) if labels is not None else label_file(folder)
    found = _by_table(folder, table) if table else _by_folders(folder)
    _check(found, folder)
    pixels = decode(found.paths, lambda path: _shown(path, folder), skip_broken)
    kept = pixels.kept
    names, num_train = np.array(found.labels)[kept], int((kept < found.num_train).sum())
    parts = [pixels.images[:num_train], names[:num_train], pixels.images[num_train:], names[num_train:]]
    if num_train < len(kept):
        check_test_classes(parts[1], parts[3])
    data = from_arrays(*(parts if num_train < len(kept) else parts[:2]), name=folder.resolve().name)
    skipped = len(found.paths) - len(kept)
    notes = (*found.notes, f"Broken files left out: {skipped:,}.") if skipped else found.notes
    return dataclasses.replace(naturally_ordered(data), notes=notes)


def rows_of_images(place: str | Path, skip_broken: bool = False) -> tuple[np.ndarray, list[str], int]:
    """(images as uint8 (R, C, H, W), their file names, how many broken ones were left out) of one image file, or of
    all of them in a folder and below it, in natural order; no labels are looked for. Errors as in `load_images`."""
    place = Path(place)
    folder = place if place.is_dir() else place.parent
    paths = sorted(_images(place), key=lambda path: natural(path.as_posix())) if place.is_dir() else [place]
    if not paths:
        raise DampenError(f"{str(place)!r} must hold images; got none.")
    pixels = decode(paths, lambda path: _shown(path, folder), skip_broken)
    names = [_shown(paths[row], folder) for row in pixels.kept]
    return pixels.images, names, len(paths) - len(names)


def label_file(folder: Path) -> Path | None:
    """The table of file names and labels that a folder of images brings, or None."""
    return next((folder / name for name in LABEL_FILES if (folder / name).is_file()), None)


def class_folders(folder: Path) -> list[Path]:
    """Subfolders that hold images, in natural order."""
    return [path for path in _folders(folder) if next(_images(path), None) is not None]


def _check(found: _Listed, folder: Path) -> None:
    if not found.paths:
        raise DampenError(
            f"{str(folder)!r} must hold a folder of images per class, or train.csv and images; got no images."
        )
    classes = sorted(set(found.labels[: found.num_train]), key=natural)
    if len(classes) < 2:
        raise DampenError(
            f"{str(folder)!r} must hold at least two classes; got {listed(classes, 3) or 'none'}. "
            "Name the folder that holds the class folders."
        )


# ------------------------------------------------------------------ a folder per class


def _by_folders(folder: Path) -> _Listed:
    parts = {path.name.lower(): path for path in _folders(folder) if class_folders(path)}
    train, test, validation = ([parts[name] for name in names if name in parts] for names in (TRAIN, TEST, VALIDATION))
    if not train and (test or validation):
        part = (test or validation)[0].name
        raise DampenError(f"{folder.name}/{part} must have a folder train beside it; there is none.")
    if not train:
        paths, labels = _rows([folder])
        return _Listed(paths, labels, len(paths), _empty_notes(folder))
    paths, labels = _rows(train + validation)
    test_paths, test_labels = _rows(test)
    notes = [
        f"{path.name}/ joins the training part: every seed draws a validation part of its own." for path in validation
    ]
    notes += _unlabelled_notes(folder, test)
    return _Listed(paths + test_paths, labels + test_labels, len(paths), tuple(notes))


def _rows(parents: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Files and labels of all class folders in `parents`."""
    paths: list[Path] = []
    labels: list[str] = []
    for parent in parents:
        loose = sorted((path.name for path in _images(parent, deep=False)), key=natural)
        if loose:
            raise DampenError(
                f"Every image must lie in the folder of its class; {counted(len(loose), 'file')} without a label in "
                f"{parent.name}/: {listed(loose, 3)}. Move or delete them, or bring a train.csv."
            )
        for place in class_folders(parent):
            files = sorted(_images(place), key=lambda path: natural(path.as_posix()))
            paths += files
            labels += [place.name] * len(files)
    return paths, labels


def _empty_notes(folder: Path) -> tuple[str, ...]:
    empty = [path.name for path in _folders(folder) if next(_images(path), None) is None]
    return (f"Folders without images left out: {listed(empty, 3)}.",) if empty else ()


def _unlabelled_notes(folder: Path, read: Sequence[Path]) -> list[str]:
    """What is said of a test folder whose images have no labels: competitions hand it out so."""
    others = [path for path in _folders(folder) if path.name.lower() in TEST and path not in read]
    counts = {path.name: sum(1 for _ in _images(path)) for path in others}
    return [f"{name}/ left out: {counted(count, 'image')} without labels." for name, count in counts.items() if count]


# ------------------------------------------------------------------ a table of file names and labels


def _by_table(folder: Path, table: Path) -> _Listed:
    names, labels = read_labels(table)
    paths = _found(folder, table, names, ("train", "training", "images", "img", ""))
    test_table, notes = folder / "test.csv", []
    test_paths: list[Path] = []
    test_labels: list[str] = []
    if test_table.is_file() and test_table != table:
        test_names, test_labels = read_labels(test_table, required=False)
        if test_labels:
            test_paths = _found(folder, test_table, test_names, ("test", "testing", "images", "img", "train", ""))
        else:
            notes.append("test.csv left out: it has no labels.")
    if not test_paths:
        notes += _unlabelled_notes(folder, [path.parent for path in paths])
    _check_labelled(folder, table, paths + test_paths, paths)
    return _Listed(paths + test_paths, labels + test_labels, len(paths), tuple(notes))


def _found(folder: Path, table: Path, names: Sequence[str], places: Sequence[str]) -> list[Path]:
    """The file of every name: as it stands, or with a suffix where names have none, in the first place that has
    any of them."""
    candidates = [folder / place for place in places if (folder / place).is_dir()]
    for place in candidates:
        files = _files_by_name(place, names)
        if any(name in files for name in names):
            break
    missing = [name for name in names if name not in files]
    if missing:
        raise DampenError(
            f"Every label in {table.name} must have its file; {counted(len(missing), 'label')} of {len(names):,} "
            f"without a file: {listed(missing, 3)}. Add the files or delete the lines."
        )
    return [files[name] for name in names]


def _files_by_name(place: Path, names: Sequence[str]) -> dict[str, Path]:
    """What lies at each name below `place`; a name without a suffix finds the image of that stem."""
    stems: dict[str, Path] = {}
    if any(not is_image(Path(name)) for name in names):
        stems = {path.relative_to(place).with_suffix("").as_posix(): path for path in _images(place)}
    found = {}
    for name in names:
        path = place / name if is_image(Path(name)) else stems.get(name)
        if path is not None and path.is_file():
            found[name] = path
    return found


def _check_labelled(folder: Path, table: Path, labelled: Sequence[Path], train: Sequence[Path]) -> None:
    """Images that lie beside labelled ones and have no label themselves."""
    known = set(labelled)
    without = [p for place in sorted({p.parent for p in train}) for p in _images(place, deep=False) if p not in known]
    if without:
        shown = [_shown(path, folder) for path in sorted(without, key=lambda path: natural(path.as_posix()))]
        raise DampenError(
            f"Every image beside the labelled ones must have a line in {table.name}; {counted(len(shown), 'file')} "
            f"without a label: {listed(shown, 3)}. Add their lines or move them away."
        )


# ------------------------------------------------------------------ folders


def _folders(folder: Path) -> list[Path]:
    return sorted((p for p in folder.iterdir() if p.is_dir() and not hidden(p)), key=lambda path: natural(path.name))


def _images(folder: Path, deep: bool = True) -> Iterator[Path]:
    """Image files in a folder and, if deep, below it; hidden ones are left out."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if deep and not hidden(Path(name)))
        yield from (Path(root, name) for name in files if is_image(Path(name)))


def _shown(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
