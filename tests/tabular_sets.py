"""Real tables that tests read: scikit-learn's as files, and the shared sets where they are."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from sklearn.datasets import load_diabetes, load_wine

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not (SHARED / "index.json").exists(), reason=f"no data sets in {SHARED}")


def index(kind="tabular"):
    """The records of index.json of one kind; none where the sets are not there."""
    if not (SHARED / "index.json").exists():
        return []
    return [record for record in json.loads((SHARED / "index.json").read_text())["files"] if record["kind"] == kind]


def shared(name):
    return SHARED / "tabular" / f"{name}.csv.gz"


def wine():
    """178 rows, 13 columns of numbers, the kind in words, and two columns made from real ones: a category and a
    number with missing cells."""
    bunch = load_wine()
    frame = pl.DataFrame(bunch.data, schema=list(bunch.feature_names))
    kinds = pl.Series("kind", ["barolo", "grignolino", "barbera"]).gather(bunch.target)
    strong = pl.when(frame["alcohol"] > 13.5).then(pl.lit("strong")).when(frame["alcohol"] < 12).then(pl.lit("light"))
    return frame.with_columns(
        strong.alias("body"), pl.when(frame["ash"] < 2.6).then(frame["ash"]).alias("ash"), kinds.alias("kind")
    )


def diabetes():
    bunch = load_diabetes(scaled=False)
    return pl.DataFrame(bunch.data, schema=list(bunch.feature_names)).with_columns(pl.Series("progress", bunch.target))
