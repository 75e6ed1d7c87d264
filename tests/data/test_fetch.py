import gzip
import hashlib
import importlib.util
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers import agrees
from sklearn.datasets import load_wine

from dampen import DampenError
from dampen.data.fetch import KNOWN, _images, _watch, fetch
from dampen.data.idx import load_idx

SHARED = Path(__file__).parents[3] / "shared" / "data"
WINE = load_wine()
COLOURS = ("red", "white")
has_tables = importlib.util.find_spec("dampen.data.tables") is not None


@pytest.fixture
def no_network(monkeypatch):
    """Every request goes to a port where nobody listens; waiting between retries takes no time."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def refusal(name, home):
    with pytest.raises(DampenError) as raised:
        fetch(name, home)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


def cached(home, data, arff, checksum=None):
    """A table in scikit-learn's cache, as a fetch would have left it there: what OpenML answers, gzipped."""
    body = arff.encode()
    description = {
        **{"id": "7", "name": "wine", "version": "3", "status": "active", "format": "ARFF", "description": "of wines"},
        **{"url": "https://www.openml.org/data/v1/download/7/wine.arff", "file_id": "7"},
        "md5_checksum": checksum or hashlib.md5(body).hexdigest(),
    }
    answers = {
        "list/data_name/wine/limit/2/status/active/": {
            "data": {"dataset": [{"did": 7, "version": 3, "status": "active"}]}
        },
        "7": {"data_set_description": description},
        "features/7": {"data_features": {"feature": data}},
        "qualities/7": {"data_qualities": {"quality": [{"name": "NumberOfInstances", "value": "178"}]}},
    }
    for path, answer in answers.items():
        file = (
            home
            / "openml"
            / "openml.org"
            / (f"api/v1/json/data/{path}".rstrip("/") + ("/" if path.endswith("/") else "") + ".gz")
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(json.dumps(answer).encode()))
    file = home / "openml" / "openml.org" / "data/v1/download/7/wine.arff.gz"
    file.parent.mkdir(parents=True)
    file.write_bytes(gzip.compress(body))


# ------------------------------------------------------------------ without a network


@pytest.mark.parametrize("name", [*KNOWN, "openml:credit-g", "openml:31"])
def test_without_a_network_one_line_says_what_to_do(tmp_path, no_network, name):
    told = refusal(name, tmp_path)

    assert told.startswith(f"{name} cannot be fetched: OpenML does not answer (")
    assert told.endswith(" and give that folder instead of the name." if name in KNOWN else "instead of the name.")


def test_a_cache_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")

    assert "must be kept in scikit-learn's cache; " in refusal("mnist", tmp_path / "file" / "folder")


@pytest.mark.parametrize("name", ["openml:", "openml:../../etc", "openml:a b", "cifar", "openml:a/b"])
def test_names_that_cannot_be_fetched_are_refused(tmp_path, name):
    assert refusal(name, tmp_path) == (f"A fetched data set must be mnist, fashion-mnist or openml:NAME; got {name!r}.")


# ------------------------------------------------------------------ what came


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_pixels_of_openml_are_the_set_of_the_original_files(name):
    if not SHARED.is_dir():
        pytest.skip("the shared data sets are not here")
    files = load_idx(SHARED / name.replace("-", "_"))
    pixels = files.inputs.flatten(1).numpy().astype(np.float64)
    labels = files.targets.argmax(1).numpy().astype(str).astype(object)

    fetched = _images(name, pixels, labels)
    pixels[69_999, 783] += 1
    with pytest.raises(DampenError) as raised:
        _images(name, pixels, labels)

    assert fetched.fingerprint == files.fingerprint
    assert (fetched.classes, fetched.protocol) == (files.classes, "fixed test")
    assert str(raised.value).startswith(f"{name} from OpenML differs from the original files. Put train-images-idx3")


def wine_as_arff():
    """Three columns: alcohol with a missing cell, a colour as category, and the class."""
    lines = ["@RELATION wine", "@ATTRIBUTE alcohol REAL", "@ATTRIBUTE colour {red, white}", "@ATTRIBUTE kind {a, b, c}"]
    rows = [
        f"{'?' if i == 5 else x[0]},{COLOURS[i % 2]},{'abc'[y]}"
        for i, (x, y) in enumerate(zip(WINE.data, WINE.target, strict=True))
    ]
    common = {"is_ignore": "false", "is_row_identifier": "false", "number_of_missing_values": "0"}
    features = [
        {"index": "0", "name": "alcohol", "data_type": "numeric", "is_target": "false", **common},
        {"index": "1", "name": "colour", "data_type": "nominal", "is_target": "false", **common},
        {"index": "2", "name": "kind", "data_type": "nominal", "is_target": "true", **common},
    ]
    return features, "\n".join([*lines, "@DATA", *rows, ""])


@pytest.mark.skipif(not has_tables, reason="the reader of tables is not here")
@pytest.mark.parametrize("name", ["openml:wine", "openml:7"])
def test_a_table_in_the_cache_needs_no_network(tmp_path, no_network, capsys, name):
    cached(tmp_path, *wine_as_arff())

    data = fetch(name, tmp_path)

    assert (data.name, data.classes, len(data.inputs)) == ("wine", ("a", "b", "c"), 178)
    agrees(data.targets.argmax(1), WINE.target.astype(np.int64))
    known = np.arange(178) != 5
    agrees(data.inputs[known, 0], WINE.data[known, 0].astype(np.float32))
    assert data.inputs[5, 0].isnan()
    assert data.notes[-1] == "OpenML's data set 7, version 3; target: kind."
    assert capsys.readouterr().err == "", "nothing is fetched, nothing is said"


def test_a_file_that_differs_from_its_checksum_is_refused(tmp_path, no_network):
    cached(tmp_path, *wine_as_arff(), checksum="0" * 32)

    assert refusal("openml:wine", tmp_path).startswith("openml:wine cannot be fetched: ")


def test_what_comes_is_said_on_stderr(tmp_path, capsys):
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=("mnist", tmp_path, done))
    watcher.start()
    (tmp_path / "openml").mkdir()
    threading.Timer(0.1, (tmp_path / "openml" / "part").write_bytes, (b"x" * 1000,)).start()
    threading.Timer(1.2, done.set).start()
    watcher.join()

    assert capsys.readouterr().err == f"Fetching mnist from OpenML into {tmp_path}, about 15 MB ...\n"
