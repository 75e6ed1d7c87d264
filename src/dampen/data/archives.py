"""`.npz` archives: tables, images and series as arrays, and images that are still JPEG-coded."""

from __future__ import annotations

import dataclasses
import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import DampenError, first_line
from ..words import listed
from .dataset import Dataset, from_arrays
from .files import check_test_classes, check_unpacked
from .target import FEW, FEW_ROWS

WHOLE = ("x", "y")
PARTS = ("x_train", "y_train", "x_test", "y_test")
CODED = ("header", "data", "offsets", "labels", "n_train")
UNDERSTOOD = (
    "X and y; x_train and y_train, with x_test and y_test where there is a test part; "
    "or header, data, offsets, labels and n_train (JPEG-coded images)"
)


def load_npz(path: str | Path) -> Dataset:
    """`X`, `y`; `x_train`, `y_train`, perhaps `x_test`, `y_test`; or JPEG-coded `header`, `data`, `offsets`,
    `labels`, `n_train`. `classes`, where it is there, names the classes of whole numbers 0, 1, ...

    uint8 of shape (R, H, W), (R, H, W, C) or (R, C, H, W) are images and become uint8 (R, C, H, W); other arrays of
    three axes are series (R, channels, length), with NaN at the end of those that are shorter.
    Raises `DampenError` for arrays of other names, Python objects, and what unpacks to far more than its size.
    """
    path = Path(path)
    shapes = shapes_of(path)
    used, extra = _chosen(path, shapes)
    arrays = _arrays(path, used)
    name = path.name.removesuffix(".npz")
    data = _decoded(name, arrays) if "offsets" in arrays else _plain(name, arrays)
    notes = list(data.notes)
    if extra:
        notes.append(f"Arrays left out: {listed(extra, 3)}.")
    data = _named(data, arrays["classes"]) if "classes" in arrays else data
    return dataclasses.replace(data, notes=tuple(notes))


def rows_of_npz(path: Path) -> np.ndarray:
    """`X` of an archive, whether or not it has labels; of one in parts all rows, in order."""
    name = next((key for key in shapes_of(path) if key.lower() == WHOLE[0]), None)
    if name is None:
        return load_npz(path).inputs.numpy()
    return _inputs(_arrays(path, {WHOLE[0]: name})[WHOLE[0]])


def shapes_of(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shape and type of every array, read from the headers alone; refuses bombs, Python objects and headers that
    state more than the archive holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            for entry in entries:
                check_unpacked(f"{path.name} ({entry.filename})", entry.compress_size, entry.file_size)
            check_unpacked(path.name, path.stat().st_size, sum(entry.file_size for entry in entries))
            shapes = {}
            for entry in entries:
                with archive.open(entry) as stream:
                    shapes[entry.filename.removesuffix(".npy")] = _header(path, entry, stream)
    except FileNotFoundError:
        raise DampenError(f"There is no file {str(path)!r}.") from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise DampenError(
            f"{path.name} must be a .npz file, as np.savez writes it; {first_line(error)}. Save it again."
        ) from None
    return shapes


def about(path: Path) -> str:
    """Rows and their shape in words, from the headers; raises `DampenError` as reading would."""
    shapes = shapes_of(path)
    used, _ = _chosen(path, shapes)
    if "offsets" in used:
        return f"{shapes[used['offsets']][0][0] - 1:,} JPEG-coded images"
    parts = [shapes[used[name]][0] for name in ("x", "x_train", "x_test") if name in used]
    return f"{sum(part[0] for part in parts):,} rows of {' x '.join(map(str, parts[0][1:]))}"


def _arrays(path: Path, used: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Arrays by the names that we know; `used`: the names that they have."""
    with np.load(path, allow_pickle=False) as archive:
        try:
            return {name: archive[key] for name, key in used.items()}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DampenError(f"{path.name} must be a sound .npz file; {first_line(error)}. Save it again.") from None


def _header(path: Path, entry: zipfile.ZipInfo, stream: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    except ValueError as error:
        raise DampenError(
            f"{path.name}: {entry.filename} must be an array that np.save wrote; {first_line(error)}. Save it again."
        ) from None
    if dtype.hasobject:
        raise DampenError(
            f"{path.name}: {entry.filename} must hold numbers or text; it holds pickled Python objects, which could "
            "run code. Save it with a plain type, such as X.astype(float); series of unequal lengths as one array "
            "with NaN at their ends."
        )
    if int(np.prod(shape, dtype=object)) * dtype.itemsize > entry.file_size:
        raise DampenError(
            f"{path.name}: {entry.filename} is cut short: its header says {shape} of {dtype}; it holds "
            f"{entry.file_size:,} bytes. Save it again."
        )
    return shape, dtype


def _chosen(path: Path, shapes: Mapping) -> tuple[dict[str, str], list[str]]:
    """The arrays to read, by the name we know and the name they have; and the names of the others."""
    lower = {key.lower(): key for key in shapes}
    for needed, also in ((CODED, ()), (PARTS[:2], PARTS[2:]), (WHOLE, ())):
        if lower.keys() >= set(needed):
            if 0 < len(set(also) & lower.keys()) < len(also):
                raise DampenError(
                    f"{path.name} must have both x_test and y_test or neither; got {listed(sorted(shapes), 3)}."
                )
            wanted = [name for name in (*needed, *also, "classes") if name in lower]
            return {name: lower[name] for name in wanted}, [k for k in shapes if k.lower() not in wanted]
    raise DampenError(
        f"{path.name} must have arrays that dampen understands; got {', '.join(shapes) or 'none'}. "
        f"Understood are {UNDERSTOOD}."
    )


# ------------------------------------------------------------------ arrays


def _plain(name: str, arrays: Mapping[str, np.ndarray]) -> Dataset:
    note = _labels_as_numbers(arrays["y"] if "y" in arrays else arrays["y_train"])
    ordered = [arrays[key] for key in (*WHOLE, *PARTS) if key in arrays]
    parts = [_labels(array) if number % 2 else _inputs(array) for number, array in enumerate(ordered)]
    if len(parts) == 4:
        check_test_classes(parts[1], parts[3])
    data = from_arrays(*parts, name=name)
    return dataclasses.replace(data, notes=data.notes + note)


def _inputs(array: np.ndarray) -> np.ndarray:
    """Images as (R, C, H, W)."""
    if array.ndim == 3 and array.dtype == np.uint8:
        return array[:, None]
    if array.ndim == 4 and array.shape[1] not in (1, 3) and array.shape[3] in (1, 3):
        return np.ascontiguousarray(array.transpose(0, 3, 1, 2))
    return array


def _labels(array: np.ndarray) -> np.ndarray:
    """One column of labels is a row of labels."""
    one_column = array.ndim == 2 and array.shape[1] == 1 and not np.issubdtype(array.dtype, np.floating)
    return array[:, 0] if one_column else array


def _labels_as_numbers(targets: np.ndarray) -> tuple[str, ...]:
    """A note on floats that look like classes."""
    if targets.ndim != 1 or not np.issubdtype(targets.dtype, np.floating) or not np.isfinite(targets).all():
        return ()
    values = np.unique(targets)
    if len(values) > FEW or len(values) * FEW_ROWS > len(targets) or (values != values.round()).any():
        return ()
    return (
        f"The targets, floats of {len(values)} whole values, are read as numbers; if they name classes, save them as "
        "y.astype(int).",
    )


def _named(data: Dataset, names: np.ndarray) -> Dataset:
    """Class numbers become names, where they count from 0 into `names`."""
    if data.task != "classes" or names.ndim != 1 or not all(label.isdecimal() for label in data.classes):
        return data
    if max(map(int, data.classes)) >= len(names):
        raise DampenError(
            f"{data.name}: `classes` must name every class; got {len(names)} names and the class number "
            f"{max(map(int, data.classes))}."
        )
    return dataclasses.replace(data, classes=tuple(str(names[int(label)]) for label in data.classes))


# ------------------------------------------------------------------ JPEG-coded images


def _decoded(name: str, arrays: Mapping[str, np.ndarray]) -> Dataset:
    """Image i is the header and data[offsets[i]:offsets[i + 1]]; the first n_train images are the training part."""
    offsets, labels = arrays["offsets"], arrays["labels"]
    rows = len(offsets) - 1
    _check_coded(name, arrays, rows)
    header, data = arrays["header"].tobytes(), memoryview(np.ascontiguousarray(arrays["data"]))
    first = _jpeg(name, 0, header, data[offsets[0] : offsets[1]])
    check_unpacked(name, len(data) + rows * len(header), rows * first.size)
    images = np.empty((rows, 3, *first.shape[:2]), np.uint8)
    for row in range(rows):
        image = _jpeg(name, row, header, data[offsets[row] : offsets[row + 1]])
        if image.shape[:2] != images.shape[2:]:
            raise DampenError(
                f"{name}: all images must have one size; image 0 has {images.shape[3]} x {images.shape[2]} and image "
                f"{row} {image.shape[1]} x {image.shape[0]} pixels."
            )
        images[row] = image.transpose(2, 0, 1)
    train = int(arrays["n_train"])
    parts = [images[:train], labels[:train], images[train:], labels[train:]]
    if train < rows:
        check_test_classes(labels[:train], labels[train:])
    return from_arrays(*(parts if train < rows else parts[:2]), name=name)


def _check_coded(name: str, arrays: Mapping[str, np.ndarray], rows: int) -> None:
    offsets, train = arrays["offsets"], arrays["n_train"]
    whole = all(np.issubdtype(array.dtype, np.integer) for array in (offsets, train))
    if not whole or offsets.ndim != 1 or rows < 1 or train.size != 1 or not 1 <= int(train) <= rows:
        raise DampenError(
            f"{name}: offsets must be whole numbers, one more than images, and n_train one between 1 and the number "
            f"of images; got offsets of shape {offsets.shape} and n_train {train}."
        )
    if arrays["labels"].shape != (rows,):
        raise DampenError(
            f"{name} must have one label for each of its {rows} images; got shape {arrays['labels'].shape}."
        )
    if arrays["data"].dtype != np.uint8 or arrays["header"].dtype != np.uint8 or arrays["data"].ndim != 1:
        raise DampenError(f"{name}: header and data must be bytes (uint8); got {arrays['data'].dtype}.")
    if offsets[0] < 0 or (np.diff(offsets) < 0).any() or offsets[-1] > len(arrays["data"]):
        raise DampenError(
            f"{name}: offsets must rise from 0 to the {len(arrays['data'])} bytes of data; got "
            f"{offsets[0]} to {offsets[-1]}. The archive may be cut short."
        )


def _jpeg(name: str, row: int, header: bytes, body: memoryview) -> np.ndarray:
    """(H, W, 3) uint8."""
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(b"".join((header, body))), formats=("JPEG",))
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))  # a copy less: 5 s become 3.5
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DampenError(f"{name}: image {row} is no sound JPEG image; {first_line(error)}.") from None
