"""Ten budgets in seconds between 20 and 120: from the command's start to its answer between 0.8 and 1.1 of each.

python benchmarks/budgets.py [20 31 ...]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUDGETS = (20, 25, 30, 40, 50, 60, 75, 90, 105, 120)
LOW, HIGH = 0.8, 1.1
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "tabular" / "phoneme.csv.gz"


def main() -> None:
    command = str(Path(sys.executable).with_name("dampen"))
    budgets = [float(text) for text in sys.argv[1:]] or BUDGETS
    kept = 0
    print(f"{'budget':>7} {'took':>7} {'share':>6}  data")
    for number, budget in enumerate(budgets):
        table = number % 2 == 1 and DATA.exists()
        data = [str(DATA), "--target", "target"] if table else ["digits"]
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            done = subprocess.run(
                [command, "search", *data, "--budget", f"{budget:g}s"], cwd=folder, capture_output=True, text=True
            )
            took = time.perf_counter() - began
        if done.returncode:
            sys.exit(done.stderr)
        kept += LOW <= took / budget <= HIGH
        print(f"{budget:7.0f} {took:7.1f} {took / budget:6.2f}  {Path(data[0]).name}", flush=True)
    print(f"{kept} of {len(budgets)} kept (bar: all, between {LOW} and {HIGH})")


if __name__ == "__main__":
    main()
