"""What a recipe makes of images: written for one image, lifted to many."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..contracts import At, Batch, Clock
from ..data.facts import Facts, words_of
from ..errors import DampenError
from ..randomness import key_of, site_of
from ..recipe import Recipe, with_tensors
from ..techniques.batch.color_jitter import ColorJitter
from ..techniques.batch.cutout import Cutout
from ..techniques.batch.elastic_deformation import ElasticDeformation
from ..techniques.batch.input_noise import InputNoise
from ..techniques.batch.random_affine import RandomAffine
from ..techniques.batch.random_crop import RandomCrop
from ..techniques.batch.random_erasing import RandomErasing
from ..training.step import drawn
from ..vocabulary import CHECK, hooks_of, touches
from .pictures import Look

PLACES = (RandomAffine, RandomCrop, ElasticDeformation)
"""What moves pixels, and with them how much of a pixel there is."""
COLOURS = (ColorJitter, Cutout, RandomErasing, InputNoise)
"""What changes colours where they are."""


class Images(NamedTuple):
    """numbers: (N, C, H, W), of one look. mean, std: of each image's channels of colour, (N, C, 1, 1)."""

    look: Look
    numbers: Tensor
    mean: Tensor
    std: Tensor


def images_of(look: Look, pixels: Sequence[np.ndarray]) -> Images:
    """Places between pixels are as fine as the type of numbers: 65,536 greys ask for double precision."""
    kind = np.float64 if look.dtype == np.uint16 else np.float32
    numbers = torch.from_numpy(np.stack([image.astype(kind) for image in pixels]))
    colours = numbers[:, :-1] if look.clear else numbers
    std, mean = torch.std_mean(colours, (2, 3), correction=0, keepdim=True)
    return Images(look, numbers, mean, std)


class Changes:
    """A recipe at work on images, each by itself.

    Every image draws by seed, its own name and the copy's number. What techniques ask of a training part is the
    range of the file's format, and the mean and deviation of the image itself: so nothing that lies beside it counts.
    """

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self.recipe, self.seed = recipe, seed
        strengths = {name: torch.tensor(value, dtype=torch.float32) for name, value in recipe.strengths.items()}
        self.techniques = with_tensors(recipe.active, strengths)
        self._check()

    def check_clear(self, shown: str) -> None:
        """Refuse what nobody knows how to do to transparency."""
        for name, technique in self.techniques.items():
            if not isinstance(technique, PLACES + COLOURS):
                raise DampenError(
                    f"{name} must have images without transparency: it may move and recolour in one; {shown} has some. "
                    f"Leave {name} out, or convert the image."
                )

    @torch.no_grad()
    def of(self, images: Images, names: Sequence[str], number: int) -> np.ndarray:
        """Copy `number` of each image, (N, C, H, W), of the type of the originals. names: tell them apart."""
        steps = [site_of(site_of(0, _encodable(name)), f"copy {number}") for name in names]
        words = torch.tensor([[self.seed, step] for step in steps])
        change = functools.partial(self._change, images.look)
        changed = torch.vmap(change)(words, images.numbers, images.mean, images.std)
        return changed.round_().clamp_(0, images.look.white).numpy().astype(images.look.dtype)

    def _change(self, look: Look, words: Tensor, image: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """(C, H, W) -> (C, H, W)."""
        facts = _facts(len(mean), look.white, image.dtype).with_tensors({"mean": mean, "std": std})
        at = At(Clock(0, 1, 0, 1), facts, None, batch_size=1)
        key = key_of(words, torch.device("cpu"), known=False)
        changed = image[None]
        for name, technique in self.techniques.items():
            changed = _applied(technique, changed, key / name, at, look)
        return changed[0]

    def _check(self) -> None:
        """Refuse, with a sentence, what does not change images one by one, or nothing."""
        self.recipe.check(words_of("numbers", (3, 8, 8)))
        at = At(Clock(0, 1, 0, 1), _facts(3, 255.0, torch.float32), None, batch_size=1)
        batch = _batch(torch.zeros(1, 3, 8, 8))
        for name, technique in self.recipe.named.items():
            others = [hook for hook in hooks_of(technique) if hook != "batch"]
            if others or not touches(technique, "batch"):
                raise DampenError(
                    f"An augmentation must change images and nothing else; {name} has the hook "
                    f"{(others or ['none'])[0]}. Leave {name} out."
                )
            if touches(technique, CHECK):
                technique.check(at)
            key = key_of(torch.tensor([0, 0]), torch.device("cpu"))
            changed = technique.batch(batch, drawn(technique, batch, key, at), at)
            if changed.targets is not batch.targets or changed.weights is not batch.weights:
                raise DampenError(
                    f"An augmentation must change each image by itself; {name} changes targets, too. Leave {name} out."
                )
        if not self.techniques:
            raise DampenError(
                f"An augmentation must change something; got {self.recipe}. Try 'RandomAffine(rotation=20)'."
            )


def _applied(technique: Any, images: Tensor, key: Any, at: At, look: Look) -> Tensor:
    if not look.clear:
        return _inputs(technique, images, key, at)
    colours, cover = images[:, :-1], images[:, -1:] / look.white
    if isinstance(technique, COLOURS):
        return torch.cat([_inputs(technique, colours, key, at), images[:, -1:]], 1)
    # Colours count as much as there is of them: those of pixels that nobody sees must not bleed into others.
    moved = _inputs(technique, torch.cat([colours * cover, cover], 1), key, at)
    cover = moved[:, -1:]
    return torch.cat([torch.where(cover > 0, moved[:, :-1] / cover.clamp(min=1e-6), 0.0), cover * look.white], 1)


def _inputs(technique: Any, images: Tensor, key: Any, at: At) -> Tensor:
    batch = _batch(images)
    changed: Batch = technique.batch(batch, drawn(technique, batch, key, at), at)
    return changed.inputs


def _batch(images: Tensor) -> Batch:
    return Batch(images, images.new_zeros(1, 1), images.new_ones(1))


@functools.cache
def _facts(num_channels: int, white: float, dtype: torch.dtype) -> Facts:
    one, flat = torch.ones(1, dtype=dtype), torch.zeros(num_channels, 1, 1, dtype=dtype)
    return Facts("numbers", 1, 1, tuple(flat.shape), flat, flat + 1, flat, flat + white, one, one, one)


def _encodable(name: str) -> str:
    """A file's name may hold bytes that are no text."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
