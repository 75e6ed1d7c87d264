"""`dampen augment IN_DIR OUT_DIR --rotation 20`: changed copies of a folder of images, without any training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from . import options

WORDS = {
    "rotation": ("RandomAffine", "rotation"),
    "zoom": ("RandomAffine", "zoom"),
    "shift": ("RandomAffine", "shift"),
    "shear": ("RandomAffine", "shear"),
    "brightness": ("ColorJitter", "brightness"),
    "contrast": ("ColorJitter", "contrast"),
    "saturation": ("ColorJitter", "saturation"),
    "cutout": ("Cutout", "size_fraction"),
    "erasing": ("RandomErasing", "probability"),
    "noise": ("InputNoise", "stddev"),
}
"""Which strength of which technique an option is; in the order in which the techniques act."""
FLIPS = {
    "horizontal": ("horizontal_flip",),
    "vertical": ("vertical_flip",),
    "both": ("horizontal_flip", "vertical_flip"),
}
HALF = 0.5
"""How many of the copies are mirrored."""


def augment(
    in_dir: Annotated[Path, typer.Argument(help="A folder of images, with or without folders of classes in it.")],
    out_dir: Annotated[Path, typer.Argument(help="Where the copies go: cat/photo.jpg -> cat/photo-1.jpg, ...")],
    rotation: Annotated[float | None, typer.Option(help="Turned by up to so many degrees, either way.")] = None,
    zoom: Annotated[float | None, typer.Option(help="Larger or smaller by up to this share, such as 0.15.")] = None,
    shift: Annotated[float | None, typer.Option(help="Moved by up to this share of the side.")] = None,
    shear: Annotated[float | None, typer.Option(help="Slanted by up to so many degrees.")] = None,
    flip: Annotated[
        str | None, typer.Option(help="horizontal, vertical or both: half of the copies are mirrored, by chance.")
    ] = None,
    brightness: Annotated[float | None, typer.Option(help="Changed by up to this share.")] = None,
    contrast: Annotated[float | None, typer.Option(help="Changed by up to this share.")] = None,
    saturation: Annotated[float | None, typer.Option(help="Changed by up to this share.")] = None,
    cutout: Annotated[
        float | None, typer.Option(help="A square is covered; its side is this share of the image's.")
    ] = None,
    erasing: Annotated[float | None, typer.Option(help="This share of the copies loses a rectangle to noise.")] = None,
    noise: Annotated[float | None, typer.Option(help="Noise, in standard deviations of the image.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Techniques that act after these: 'ElasticDeformation(alpha=20) + RandAugment', or a .toml file."
        ),
    ] = None,
    copies: Annotated[int, typer.Option(help="Of every image.")] = 4,
    seed: Annotated[int, typer.Option(help="Another seed, other copies.")] = 0,
    sheet: Annotated[
        Path | None, typer.Option(help="Where the contact sheet goes; by default contact-sheet.png in OUT_DIR.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
    skip_broken: options.SkipBroken = False,
) -> None:
    """Write changed copies of images, and a contact sheet to look at."""
    import time

    from rich.console import Console

    from ..augmenting import augment_folder
    from .progress import Progress

    given = {name: value for name, value in locals().items() if name in WORDS and value is not None}
    chosen = _recipe(given, flip, recipe)
    began = time.perf_counter()
    with Progress(Console()) as progress:

        def tell(done: int, total: int) -> None:
            progress.tell(done / total, (time.perf_counter() - began) * (total / done - 1), str(chosen))

        written = augment_folder(
            in_dir,
            out_dir,
            chosen,
            copies=copies,
            seed=seed,
            sheet=sheet,
            force=force,
            skip_broken=skip_broken,
            watch=tell,
        )
    print(f"{chosen}; seed: {seed}\n{written}")


def _recipe(given: dict[str, float], flip: str | None, text: str | None) -> Any:
    """The techniques that the options speak of, those not spoken of at rest; then those of the recipe."""
    from ..contracts import switches, tunables
    from ..errors import DampenError
    from ..recipe import Recipe
    from ..techniques import find

    if flip is not None and flip not in FLIPS:
        raise DampenError(f"--flip must be horizontal, vertical or both; got {flip!r}.")
    if not given and flip is None and text is None:
        raise DampenError(
            "dampen augment must be told what to change; got nothing. Try --rotation 20, --flip horizontal or --recipe "
            "RandAugment."
        )
    values: dict[str, dict[str, float]] = {name: {} for name, _ in WORDS.values()}
    for word, number in given.items():
        name, field = WORDS[word]
        values[name][field] = tunables(find(name))[field].check(f"--{word}", number)
    values["RandomAffine"] |= dict.fromkeys(FLIPS.get(flip or "", ()), HALF)
    built = [find(name)(**{**switches(find(name)), **said}) for name, said in values.items() if said]
    return Recipe((*built, *(options.recipe_of(text).techniques if text else ())))
