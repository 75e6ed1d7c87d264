"""A contact sheet: some originals, and beside each what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..words import counted
from ..writing import whole
from .sources import Source

MOST_ROWS, MOST_COPIES = 8, 8
SIDE, GAP, LINE = 128, 8, 18
"""Pixels: of the longer side of a picture, between two, and of a line of text."""
PAPER, INK, GREY = (255, 255, 255), (30, 30, 30), (110, 110, 110)
FEWEST_COLUMNS = 5
"""So that a title has room."""


def contact_sheet(path: Path, files: Sequence[Source], copies: int, out_dir: Path, title: str) -> None:
    """One row per image, spread over all of them in their order; read back from what was written. What is transparent
    shows the paper."""
    from PIL import Image, ImageDraw

    count, columns = min(len(files), MOST_ROWS), 1 + min(copies, MOST_COPIES)
    rows = [files[number * len(files) // count] for number in range(count)]
    places = [[file.path, *(out_dir / file.copy(copy) for copy in range(1, columns))] for file in rows]
    pictures = [[_small(place) for place in row] for row in places]
    heights = [LINE + GAP + max(picture.height for picture in row) for row in pictures]
    head, step = GAP + 3 * LINE, SIDE + GAP
    size = (GAP + max(columns, FEWEST_COLUMNS) * step, head + sum(heights))
    page = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(page), _font()

    def write(text: str, left: int, top: int, colour: Any, room: int = size[0]) -> None:
        draw.text((left, top), _cut(text, draw, font, room - 2 * GAP), fill=colour, font=font)

    write(title, GAP, GAP, INK)
    write(f"{count} of {counted(len(files), 'image')}, {columns - 1} of {copies:,} copies", GAP, GAP + LINE, GREY)
    for column in range(columns):
        write("original" if column == 0 else f"copy {column}", GAP + column * step, GAP + 2 * LINE, GREY, step)
    for number, (file, row) in enumerate(zip(rows, pictures, strict=True)):
        top = head + sum(heights[:number])
        write(file.name, GAP, top, INK)
        for column, picture in enumerate(row):
            page.paste(picture, (GAP + column * step, top + LINE), picture)
    with whole(path) as temporary:
        page.save(temporary)


def _small(path: Path) -> Any:
    """The picture as a viewer shows it, its longer side SIDE pixels or a little less."""
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        turned = ImageOps.exif_transpose(image)
        if turned.mode.startswith("I"):  # 16 bits
            turned = turned.convert("I").point(lambda value: value / 257).convert("L")
        shown = turned.convert("RGBA")
    longest = max(shown.size)
    if longest <= SIDE:
        return shown.resize([side * (SIDE // longest) for side in shown.size], Image.Resampling.NEAREST)
    shown.thumbnail((SIDE, SIDE))
    return shown


def _font() -> Any:
    """Matplotlib's: Pillow's own knows Latin letters alone."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", 12)


def _cut(text: str, draw: Any, font: Any, room: int) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")  # a file's name may hold bytes that are no text
    while text and draw.textlength(text, font=font) > room:
        text = text.rstrip("…")[:-1] + "…" if len(text) > 2 else ""
    return text
