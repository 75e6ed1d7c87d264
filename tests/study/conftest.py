"""A store of each kind, shared by the tests of a file; each test has a study of its own in it."""

from __future__ import annotations

import optuna
import pytest
from postgres import new_database

from dampen.study.store import Store


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request, tmp_path_factory):
    if request.param == "sqlite":
        return str(tmp_path_factory.mktemp("store") / "studies.db")
    return new_database(request.getfixturevalue("postgres_server"))


@pytest.fixture(scope="module")
def store(url):
    opened = Store(url)
    yield opened
    opened.close()


@pytest.fixture
def study(store, request):
    """A new study, named after the test."""
    store.create(request.node.name, higher_is_better=True, about={"fingerprint": "f", "seed": 0})
    return request.node.name


@pytest.fixture(scope="module")
def storage(url):
    """The same database as Optuna opens it."""
    opened = optuna.storages.RDBStorage(url if "://" in url else f"sqlite:///{url}")
    yield opened
    opened.engine.dispose()
