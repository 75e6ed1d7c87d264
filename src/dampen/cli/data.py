"""`dampen data`: what is built in, what can be fetched, and what lies nearby."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WIDTH = 80


def data(
    folder: Annotated[Path, typer.Argument(help="Where to look for data; by default here.")] = Path(),
) -> None:
    """List the data sets that are built in, that can be fetched, and that lie nearby."""
    from ..data.dataset import BUILT_IN
    from ..data.fetch import KNOWN
    from ..data.nearby import nearby
    from ..errors import DampenError

    if not folder.is_dir():
        raise DampenError(f"FOLDER must be a folder; got {str(folder)!r}.")
    print("Built in:")
    for name, load in BUILT_IN.items():
        _print(name, (load.__doc__ or "").splitlines()[0], f"dampen compare {name}")
    print("\nFetched into scikit-learn's cache when the network allows:")
    for name, known in KNOWN.items():
        about = f"70,000 images of 28 x 28, about {known.megabytes} MB"
        _print(name, about, f"dampen compare {name}")
    _print("openml:NAME", "any table of openml.org", "dampen compare openml:credit-g")
    found = nearby(folder)
    print(f"\nNearby, in {folder.resolve()}:" if found else f"\nNothing nearby, in {folder.resolve()}.")
    for one in found:
        _print(one.path, f"{one.kind}, {one.about}", one.command)


def _print(name: str, about: str, command: str) -> None:
    """What it is, and the command, which stays whole to be copied."""
    import textwrap

    print(textwrap.fill(f"  {name:<20}  {about}", WIDTH, subsequent_indent=" " * 24, break_long_words=False))
    print(f"      {command}")
