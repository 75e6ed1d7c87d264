"""Searches in processes of their own, to be killed, stopped and run side by side.

They come from the fork server of `store_workers`: a process of one's own would import torch first.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import sys
from pathlib import Path

from store_workers import PROCESSES

SMALL = {"seeds": 2, "epochs": 6, "batch_size": 64, "always": ("EMA",), "ranges": {"EMA.half_life_steps": (5.0, 60.0)}}
STUDY = "study"


def process(function, *arguments, **options):
    """A process that has begun, and is killed with the test run at the latest."""
    begun = PROCESSES.Process(target=function, args=arguments, kwargs=options, daemon=True)
    begun.start()
    return begun
