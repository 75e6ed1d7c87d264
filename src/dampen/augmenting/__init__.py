"""Changed copies of images, on disk and for people to see: what a training with these techniques looks at."""

from __future__ import annotations

from .folder import Written, augment_folder

__all__ = ["Written", "augment_folder"]
