"""A pack on disk: every tensor in one safetensors file, everything plain in its header; written atomically.

Draws are keyed, so no generator's state is saved. Loading never unpickles.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import DampenError, first_line
from ..history import History
from ..writing import whole
from .epochs import Training
from .fitted import Fitted
from .pack import Block, Pack

VERSION = 2
FILE = "pack.safetensors"


def save(folder: str | Path, training: Training) -> None:
    """Write the state after an epoch. A reader sees the old file or the new one, never half of either; where it cannot
    be written the old one stays, and a `DampenError` says why."""
    folder = Path(folder)
    tensors = {name: t.detach().cpu().contiguous() for name, t in _tensors(training).items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole(folder / FILE) as temporary:
            save_file(tensors, temporary, metadata={"manifest": json.dumps(_manifest(training), allow_nan=False)})
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
    except (OSError, SafetensorError) as error:
        told = first_line(error)
        raise DampenError(f"The weights in {str(folder)!r} cannot be written: {told}. Make room there.") from None


def is_there(folder: str | Path) -> bool:
    """Whether `save` left something in this folder."""
    return (Path(folder) / FILE).exists()


def restore(folder: str | Path, training: Training) -> None:
    """Take up the state that `save` left, if there is one; refuse one of another study."""
    path = Path(folder) / FILE
    if not is_there(folder):
        return
    try:
        with safe_open(path, framework="pt") as file:
            manifest = json.loads(file.metadata()["manifest"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise DampenError(f"The checkpoint {str(path)!r} cannot be read: {error}. Delete it to start anew.") from None
    expected = _identity(training)
    if manifest["identity"] != expected:
        differ = [k for k in expected if manifest["identity"].get(k) != expected[k]]
        raise DampenError(
            f"The checkpoint {str(path)!r} is of another training: it differs in {', '.join(differ)}. "
            "Use another folder, or delete it to start anew."
        )
    _put(training, manifest, tensors)


def _identity(training: Training) -> dict[str, Any]:
    """What must be the same for a training to go on: replaying the plan decides the bits."""
    problem, plan = training.problem, training.plan
    members = [training.members[i] for i in plan.members]
    structure = f"{training.run.program.forward.model}{training.run.pack.block.shapes}"
    return {
        "version": VERSION,
        "torch": torch.__version__,
        "data": problem.data.fingerprint,
        "epochs": problem.epochs,
        "batch size": problem.batch_size,
        "metric": problem.metric.name,
        "model": hashlib.blake2b(structure.encode(), digest_size=16).hexdigest(),
        "device": problem.device.type,
        "dtype": str(problem.dtype),
        "plan": [list(plan.techniques), plan.lift, plan.precision, plan.torch_randomness],
        "members": [[m.label, repr(m.recipe), m.seed] for m in members],
    }


def _manifest(training: Training) -> dict[str, Any]:
    pack = training.run.pack
    return {
        "identity": _identity(training),
        "epoch": training.epoch,
        "left": pack.indexes,
        "steps": pack.steps,
        "also": {str(i): len(snapshots) for i, snapshots in training.also.items()},
        "histories": {str(i): h.to_record() for i, h in training.histories.items()},
        "done": {
            str(i): {"validation": _plain(f.validation), "test": _plain(f.test)} for i, f in training.done.items()
        },
    }


def _plain(scores: dict[str, float]) -> dict[str, Any]:
    return {name: float(value).hex() for name, value in scores.items()}


def _tensors(training: Training) -> dict[str, Tensor]:
    pack = training.run.pack
    tensors = {"block": pack.block.data, "kept": pack.kept, "has_kept": pack.has_kept, "limit": pack.limit}
    groups: dict[str, dict[str, Tensor]] = {
        "optimizer": pack.optimizer_state,
        "buffers": pack.buffers,
        "kept_buffers": pack.kept_buffers,
        **{f"states/{name}": state for name, state in pack.states.items()},
    }
    for index, snapshots in training.also.items():
        groups |= {f"also/{index}/{number}": snapshot for number, snapshot in enumerate(snapshots)}
    for index, fitted in training.done.items():
        groups |= {f"done/{index}/params": fitted.params, f"done/{index}/buffers": fitted.buffers}
        tensors[f"done/{index}/test_rows"] = fitted.test_rows
    return {**tensors, **{f"{group}/{n}": t for group, named in groups.items() for n, t in named.items()}}


def _put(training: Training, manifest: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    whole: Pack = training.run.pack
    # Copied into memory of torch's own: kernels round differently where a tensor does not start at a multiple of
    # 64 bytes, and what comes out of a file starts anywhere.
    tensors = {name: t.to(training.problem.device, copy=True) for name, t in tensors.items()}

    def group(prefix: str) -> dict[str, Tensor]:
        start = prefix + "/"
        return {n[len(start) :]: t for n, t in tensors.items() if n.startswith(start)}

    training.epoch = manifest["epoch"]
    training.histories = {int(i): History.from_record(r) for i, r in manifest["histories"].items()}
    for key, count in manifest["also"].items():
        training.also[int(key)] = [_on_cpu(group(f"also/{key}/{number}")) for number in range(count)]
    for key, scores in manifest["done"].items():
        index = int(key)
        read = {part: {n: float.fromhex(v) for n, v in values.items()} for part, values in scores.items()}
        training.done[index] = Fitted(
            member=training.members[index],
            params=_on_cpu(group(f"done/{index}/params")),
            buffers=_on_cpu(group(f"done/{index}/buffers")),
            history=training.histories[index],
            validation=read["validation"],
            test=read["test"],
            test_rows=tensors[f"done/{index}/test_rows"].cpu(),
            problem=training.problem,
            plan=training.plan,
            also=training.also[index],
        )
    pack = whole.select([whole.indexes.index(i) for i in manifest["left"]])
    pack.block = Block(tensors["block"], pack.block.shapes)
    pack.steps = manifest["steps"]
    pack.optimizer_state, pack.buffers = group("optimizer"), group("buffers")
    pack.states = {name: group(f"states/{name}") for name in whole.states}
    pack.kept, pack.kept_buffers = tensors["kept"], group("kept_buffers")
    pack.has_kept, pack.limit = tensors["has_kept"], tensors["limit"]
    training.run.pack = pack


def _on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.cpu() for name, tensor in tensors.items()}
