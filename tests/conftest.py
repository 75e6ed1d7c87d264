"""One thread for every test: the tensors are small, and two runners with two threads each crawl on two cores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

torch.set_num_threads(1)

pytest_plugins = ("postgres",)


@pytest.fixture(autouse=True)
def torch_is_left_as_it_was() -> Iterator[None]:
    """What one test leaves switched off would fail hundreds of others."""
    yield
    assert torch.is_grad_enabled()
