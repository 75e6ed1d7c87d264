"""One thread for every test: the tensors are small, and two runners with two threads each crawl on two cores."""

from __future__ import annotations

import torch

torch.set_num_threads(1)

pytest_plugins = ("postgres",)
