"""IDX files: the form in which MNIST and its kin are handed round, gzipped or not."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import DampenError
from .dataset import Dataset, from_arrays
from .files import check_test_classes, check_unpacked, hidden, is_image

IMAGES, LABELS = 2051, 2049
_NOUNS = {IMAGES: "images", LABELS: "labels"}
FEW = 20
"""Files of other names that are opened to see whether they are IDX."""
_SAID = {"idx3": IMAGES, "idx1": LABELS}
_NAME = re.compile(r"(idx[13])|ubyte", re.IGNORECASE)
_TEST_NAME = re.compile(r"t10k|test", re.IGNORECASE)


def load_idx(folder: str | Path) -> Dataset:
    """A folder of IDX files: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and, where there is a test part,
    `t10k-...` or `test-...`; dots for dashes and other names do, as long as there is one pair per part.

    Images stay uint8, (R, 1, H, W); labels become classes. Raises `DampenError` for a missing half of a pair, for a
    wrong magic number, for a file that is cut short or holds more than its header says.
    """
    folder = Path(folder)
    found = find_idx(folder)
    if not found:
        raise DampenError(
            f"{str(folder)!r} must hold IDX files (train-images-idx3-ubyte, train-labels-idx1-ubyte, gzipped or not); "
            "got none."
        )
    parts = [_part(found, test) for test in (False, True) if any(key[0] == test for key in found)]
    if len(parts) == 2:
        check_test_classes(parts[0][1], parts[1][1])
        if parts[0][0].shape[1:] != parts[1][0].shape[1:]:
            raise DampenError(
                f"{folder.name}: the images of both parts must have one size; got {_sides(parts[0][0])} for training "
                f"and {_sides(parts[1][0])} for the test part."
            )
    return from_arrays(*(array for part in parts for array in part), name=folder.resolve().name)


def rows_of_idx(folder: Path) -> np.ndarray:
    """Images (R, 1, H, W) of a folder of IDX files, with or without labels; those of the test part come last."""
    found = find_idx(folder)
    parts = [_values(found[test, IMAGES]) for test in (False, True) if (test, IMAGES) in found]
    if not parts:
        raise DampenError(f"{str(folder)!r} must hold a file of images; its IDX files hold labels alone.")
    if len({part.shape[1:] for part in parts}) > 1:
        sides = " and ".join(map(_sides, parts))
        raise DampenError(f"{folder.name}: the images of both parts must have one size; got {sides}.")
    return np.concatenate(parts)[:, None]


def find_idx(folder: Path) -> dict[tuple[bool, int], Path]:
    """IDX files of a folder by (is of the test part, magic number); a file both packed and unpacked counts once."""
    found: dict[tuple[bool, int], Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if hidden(path) or is_image(path) or not path.is_file():
            continue
        magic = _magic(path)
        named = _NAME.search(path.name)
        said = _SAID.get((named[1] or "").lower()) if named else None
        if named and (magic not in _NOUNS or (said and magic != said)):
            _refuse_magic(path, magic, said)
        if magic not in _NOUNS:
            continue
        key = (bool(_TEST_NAME.search(path.name)), magic)
        if key in found and _bare(found[key]) != _bare(path):
            raise DampenError(
                f"A folder must hold one pair of IDX files per part; {folder.name} has two with {_NOUNS[magic]}: "
                f"{found[key].name} and {path.name}. Put every pair in a folder of its own."
            )
        found.setdefault(key, path)  # sorted: the unpacked one comes first
    return found


def holds_idx(folder: Path) -> bool:
    """Whether a folder is meant to hold IDX files: by a name, or by a first number."""
    files = [path for path in folder.iterdir() if not hidden(path) and not is_image(path) and path.is_file()]
    return any(_NAME.search(p.name) for p in files) or any(_magic(p) in _NOUNS for p in files[:FEW])


def sides_of(path: Path) -> tuple[int, ...]:
    """(rows, height, width) of an images file, from its header."""
    with _opened(path) as stream:
        return _header(path, stream)


def _part(found: dict[tuple[bool, int], Path], test: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images (R, 1, H, W) and labels (R,) of one part."""
    for magic, other in ((IMAGES, LABELS), (LABELS, IMAGES)):
        if (test, magic) not in found:
            raise DampenError(
                f"{found[test, other].name} must have a file of {_NOUNS[magic]} beside it; there is none for the "
                f"{'test' if test else 'training'} part."
            )
    images, labels = _values(found[test, IMAGES]), _values(found[test, LABELS])
    if len(images) != len(labels):
        raise DampenError(
            f"{found[test, IMAGES].name} and {found[test, LABELS].name} must hold as many images as labels; "
            f"got {len(images)} and {len(labels)}."
        )
    return images[:, None], labels


def _values(path: Path) -> np.ndarray:
    """What the file holds, uint8, in the shape that its header states."""
    try:
        with _opened(path) as stream:
            return _read(path, stream)
    except EOFError:
        raise DampenError(f"{path.name} is cut short: the gzip file lacks its end. Download it again.") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DampenError(f"{path.name} must be a sound gzip file; {error}. Download it again.") from None


def _read(path: Path, stream: BinaryIO) -> np.ndarray:
    shape = _header(path, stream)
    wanted = int(np.prod(shape, dtype=object))
    packed = path.stat().st_size
    if wanted == 0:
        raise DampenError(f"{path.name} must hold at least one value; its header says {_times(shape)}.")
    if isinstance(stream, gzip.GzipFile):
        check_unpacked(path.name, packed, wanted)
    elif wanted > packed:
        _refuse_length(path, shape, wanted, packed - 4 - 4 * len(shape))
    values = np.empty(wanted, np.uint8)  # writable, as torch wants it
    got, view = 0, memoryview(values)
    while got < wanted and (count := stream.readinto(view[got:])):  # type: ignore[attr-defined]
        got += count
    if got < wanted:
        _refuse_length(path, shape, wanted, got)
    if stream.read(1):  # a gzip file checks its sum here
        raise DampenError(
            f"{path.name} must end after {_times(shape)} values, as its header says; it holds more. Download it again."
        )
    return values.reshape(shape)


def _header(path: Path, stream: BinaryIO) -> tuple[int, ...]:
    """The shape; the stream stands at the first value afterwards."""
    count = int.from_bytes(stream.read(4), "big") & 0xFF
    sides = stream.read(4 * count)
    if len(sides) < 4 * count:
        raise DampenError(f"{path.name} is cut short: it ends within its header. Download it again.")
    return tuple(int(side) for side in np.frombuffer(sides, ">u4"))


def _magic(path: Path) -> int | None:
    """The first four bytes as a number; None where there are fewer or none can be read."""
    try:
        with _opened(path) as stream:
            start = stream.read(4)
    except (OSError, EOFError, zlib.error):
        return None
    return int.from_bytes(start, "big") if len(start) == 4 else None


def _opened(path: Path) -> BinaryIO:
    """The unpacked stream: packed is what begins like gzip, whatever its name."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else open(path, "rb")  # type: ignore[return-value]


def _refuse_magic(path: Path, magic: int | None, said: int | None) -> None:
    if magic is None:
        raise DampenError(f"{path.name} is cut short or no sound gzip file: it has no IDX header. Download it again.")
    wanted = " or ".join(f"{number} ({noun})" for number, noun in _NOUNS.items() if said in (None, number))
    raise DampenError(f"{path.name} must begin with the magic number {wanted}; got {magic}. Download it again.")


def _refuse_length(path: Path, shape: tuple[int, ...], wanted: int, got: int) -> None:
    raise DampenError(
        f"{path.name} is cut short: its header says {_times(shape)} values ({wanted:,} bytes); it ends after "
        f"{got:,}. Download it again."
    )


def _bare(path: Path) -> str:
    return path.name.removesuffix(".gz")


def _sides(images: np.ndarray) -> str:
    return _times(images.shape[-2:])


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
