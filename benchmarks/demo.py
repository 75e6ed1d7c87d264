"""The README's first command as a whole process, installed already: wall seconds, and how much it compared."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import bar, machine

RUNS = 3


def main() -> None:
    machine()
    command = Path(sys.executable).with_name("dampen")
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(RUNS):
            began = time.perf_counter()
            subprocess.run(
                [command, "compare", "digits", "--json", f"{folder}/answer.json"], check=True, capture_output=True
            )
            seconds.append(time.perf_counter() - began)
            print(f"  dampen compare digits: {seconds[-1]:.1f} s")
        record = json.loads(Path(folder, "answer.json").read_text())
    recipes, seeds = len(record["scores"]), len(record["protocol"]["seeds"])
    began = time.perf_counter()
    subprocess.run([command, "--help"], check=True, capture_output=True)
    help_seconds = time.perf_counter() - began
    bar("demo_seconds", sorted(seconds)[RUNS // 2], "<=120", sorted(seconds)[RUNS // 2] <= 120)
    bar("demo_size", recipes * seeds, ">=12 recipes x 12 seeds", recipes >= 12 and seeds >= 12)
    bar("help_seconds", help_seconds, "<0.4", help_seconds < 0.4)


if __name__ == "__main__":
    main()
