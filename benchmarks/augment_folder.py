"""`augment_folder` on 1,000 CIFAR images and on photographs of 4 million pixels, against a plain loop over the files
that turns each copy with Pillow (RandomAffine has no equal there) and saves it with the same quality.

Creating a file costs much on some machines (a millisecond in a sandbox), so what 4,000 empty ones take stands beside.
"""

from __future__ import annotations

import io
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images
from timing import alternating, bar, machine, ratio

import dampen
from dampen.writing import whole

CIFAR = Path(__file__).parents[2] / "shared" / "data" / "cifar10" / "cifar10_jpeg_50k_10k.npz"
IMAGES, PHOTOS, COPIES, ROUNDS = 1000, 6, 4, 3
TURN = "RandomAffine(rotation=20, zoom=0.15, shift=0)"
MORE = "RandomAffine + ColorJitter + Cutout"


def main() -> None:
    machine()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        cifar(place / "cifar")
        photographs(place / "photos")
        for name, count, wanted in (("cifar", IMAGES, 0.5), ("photos", PHOTOS, 0.4)):
            sides = {
                "plain loop": lambda name=name: plain(place / name, place / "out"),
                "dampen, turned": ours(place / name, place / "out", TURN),
                "dampen, turned, recoloured, covered": ours(place / name, place / "out", MORE),
                "empty files": lambda count=count: empty(place / "out", count * COPIES),
            }
            times = alternating(sides, ROUNDS)
            for side, seconds in times.items():
                middle = sorted(seconds)[len(seconds) // 2]
                print(f"  {name}: {side:<38}{count / middle:8.1f} images/s, {count * COPIES / middle:8.1f} files/s")
            found = ratio(times, "plain loop", "dampen, turned")
            bar(f"augment_{name}", found, f">={wanted:g}", found >= wanted)


def cifar(place: Path) -> None:
    place.mkdir()
    held = np.load(CIFAR)
    head, body, ends = held["header"].tobytes(), held["data"].tobytes(), held["offsets"]
    for row in range(IMAGES):
        (place / f"{row}.jpg").write_bytes(head + body[ends[row] : ends[row + 1]])


def photographs(place: Path) -> None:
    """Scikit-learn's two, enlarged."""
    place.mkdir()
    for number in range(PHOTOS):
        photo = Image.fromarray(load_sample_images().images[number % 2])
        photo.resize((2448, 1632), Image.Resampling.BICUBIC).save(place / f"{number}.jpg", quality=90)


def ours(source: Path, target: Path, recipe: str) -> Callable[[], None]:
    def run() -> None:
        shutil.rmtree(target, ignore_errors=True)
        dampen.augment_folder(source, target, recipe, copies=COPIES)

    return run


def plain(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for path in sorted(source.iterdir()):
        with Image.open(path) as image:
            for number in range(COPIES):
                turned = image.rotate(random.uniform(-20, 20), Image.Resampling.BILINEAR)
                turned.save(target / f"{path.stem}-{number}.jpg", quality=95, subsampling=0)


def empty(target: Path, count: int) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for number in range(count):
        with whole(target / f"{number}.jpg") as path:
            path.write_bytes(io.BytesIO().getvalue())


if __name__ == "__main__":
    main()
