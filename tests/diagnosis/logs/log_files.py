"""Logs written and read in one line."""

import numpy as np

from dampen.diagnosis.logs import read_log

TRAIN, VAL = [2.0, 1.5, 1.0], [2.1, 1.8, 1.9]


def write(path, columns, separator=","):
    lines = [separator.join(columns), *(separator.join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def column(history, field):
    return np.array(history.column(field))


def lone(path, **options):
    (history,) = read_log(path, **options)[""]
    return history
