"""A search against the usual loop, and against Optuna (TPE and Hyperband) over the usual loop.

    python benchmarks/search.py [digits] [mnist] [--rounds 3]

The first bar: 64 configurations on digits take at most the time of 8 whole trainings in the usual loop. The second: the
peer's final validation loss is reached in a fifth (digits) or a third (MNIST) of its time, which includes our start-up:
by a network that the search has in hand at the end of a rung; when the first whole training reaches it stands beside.
Same data, same split, same network, same techniques and ranges, up to the same number of epochs; both sides warm, in
one process, in turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from dampen import MLP, Recipe
from dampen.data import load, open_data
from dampen.data.split import split, with_outer
from dampen.study.search import News, search
from dampen.study.space import Narrowing, space_of
from dampen.training.problem import Problem, check_fits

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BARS = {"digits": 0.2, "mnist": 1 / 3}
TRAININGS = 8
SHARED = ("MixUp", "LabelSmoothing", "Dropout", "InputDropout", "BatchNorm", "WeightDecay", "OneCycle")
"""Techniques that a hand-written loop has, too."""
SHORT = {"warmup_fraction": "pct_start", "start_divisor": "div_factor"}


class Case:
    """data, network and budget of one comparison; `quick` has more techniques than `SHARED`, which stay out."""

    def __init__(self, name: str, data: Any, hidden: tuple[int, ...], epochs: int, batch: int, count: int) -> None:
        self.name, self.data, self.hidden = name, data, hidden
        self.epochs, self.batch, self.count = epochs, batch, count
        problem = Problem(with_outer(data, 0), MLP(hidden), epochs, batch, "log_loss", blind=True)
        layout = check_fits(problem, Recipe())
        offered = space_of(problem, layout, Narrowing("quick")).techniques
        self.without = tuple(name for name in offered if name not in SHARED)
        self.space = space_of(problem, layout, Narrowing("quick", without=self.without))
        self.whole = problem.data
        self.take(0)

    def take(self, seed: int) -> None:
        """The split of a search with this seed, standardised as everybody does it."""
        parts = split(self.whole, seed)
        flat = self.whole.inputs.flatten(1).float()
        mean, std = flat[parts.train].mean(0), flat[parts.train].std(0)
        std[std < 1e-6] = 1.0  # pixels that are the same in all training images
        self.inputs, self.targets = (flat - mean) / std, self.whole.targets
        self.train, self.validation = parts.train, parts.validation


def digits() -> Case:
    return Case("digits", load("digits"), (128, 128), epochs=60, batch=64, count=64)


def mnist() -> Case:
    """The first 10,000 training images."""
    whole = open_data(SHARED_DATA / "mnist" if SHARED_DATA.exists() else "mnist")
    few = type(whole)("mnist, 10,000", whole.inputs[:10_000], whole.targets[:10_000], "classes", whole.classes)
    return Case("mnist", few, (500,) * 5, epochs=10, batch=128, count=32)


# ------------------------------------------------------------------ the peer


def network(case: Case, chosen: dict[str, Any]) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Dropout(chosen.get("InputDropout.rate", 0.0))]
    width = case.inputs.shape[1]
    for hidden in case.hidden:
        layers += [nn.Linear(width, hidden)]
        layers += [nn.BatchNorm1d(hidden)] if chosen.get("BatchNorm") else []
        layers += [nn.ReLU(), nn.Dropout(chosen.get("Dropout.rate", 0.0))]
        width = hidden
    model = nn.Sequential(*layers, nn.Linear(width, case.targets.shape[1]))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return model


def usual_training(case: Case, chosen: dict[str, Any], report: Any = None) -> float:
    """What people write: DataLoader, AdamW, OneCycleLR, `nn.Dropout`, MixUp by hand; validation after every epoch."""
    rows = TensorDataset(case.inputs[case.train], case.targets[case.train].argmax(1))
    loader = DataLoader(rows, batch_size=case.batch, shuffle=True, drop_last=True)
    model, lr = network(case, chosen), chosen.get("optimizer.lr", 1e-3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=chosen.get("WeightDecay.strength", 0.0))
    schedule = None
    if chosen.get("OneCycle"):
        values = {SHORT[k[9:]]: v for k, v in chosen.items() if k.startswith("OneCycle.") and k[9:] in SHORT}
        total = case.epochs * len(loader)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=total, **values)
    criterion = nn.CrossEntropyLoss(label_smoothing=chosen.get("LabelSmoothing.epsilon", 0.0))
    alpha, loss_now = chosen.get("MixUp.alpha", 0.0), float("nan")
    targets = case.targets[case.validation].argmax(1)
    for epoch in range(case.epochs):
        model.train()
        for x, y in loader:
            if alpha > 0:
                share, other = float(np.random.beta(alpha, alpha)), torch.randperm(len(x))
                outputs = model(share * x + (1 - share) * x[other])
                loss = share * criterion(outputs, y) + (1 - share) * criterion(outputs, y[other])
            else:
                loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if schedule is not None:
                schedule.step()
        model.eval()
        with torch.no_grad():
            loss_now = nn.functional.cross_entropy(model(case.inputs[case.validation]), targets).item()
        if report is not None:
            report(loss_now, epoch + 1)
    return loss_now


def peer(case: Case, seed: int) -> tuple[float, float, float]:
    """(seconds, best validation loss, epochs in trainings' worth) of Optuna's TPE and Hyperband."""
    trained = 0

    def objective(trial: optuna.Trial) -> float:
        chosen: dict[str, Any] = {}
        for name in case.space.techniques:
            chosen[name] = trial.suggest_categorical(name, [False, True])
        for name, range_ in case.space.ranges.items():
            if chosen.get(name.partition(".")[0], True):
                chosen[name] = trial.suggest_float(name, range_.low, range_.high, log=range_.log)

        def report(loss: float, epoch: int) -> None:
            nonlocal trained
            trained += 1
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        return usual_training(case, chosen, report)

    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=case.epochs, reduction_factor=3),
    )
    torch.manual_seed(seed)
    np.random.seed(seed)
    began = time.perf_counter()
    study.optimize(objective, n_trials=case.count)
    return time.perf_counter() - began, study.best_value, trained / case.epochs


# ------------------------------------------------------------------ ours


class Reached(list[tuple[float, float]]):
    """(seconds, best validation loss so far), ..."""

    def __init__(self) -> None:
        super().__init__()
        self.began = time.perf_counter()

    def add(self, losses: list[float]) -> None:
        if losses and (not self or min(losses) < self[-1][1]):
            self.append((time.perf_counter() - self.began, min(losses)))

    def first(self, wanted: float) -> float:
        return next((seconds for seconds, loss in self if loss <= wanted), float("inf"))


def ours(case: Case, seed: int) -> tuple[Reached, Reached, dict[str, float], float]:
    """What networks in hand reached, what whole trainings did, seconds by phase, trainings' worth."""
    in_hand, whole = Reached(), Reached()

    def watch(news: News) -> None:
        found = [s for s in news.leaders if s.name not in ("baseline", "default")]
        in_hand.add([s.score for s in found])
        whole.add([s.score for s in found if s.epoch == case.epochs])

    with tempfile.TemporaryDirectory() as folder:
        result = search(
            MLP(case.hidden), case.data, budget=case.count, seeds=1, epochs=case.epochs, batch_size=case.batch,
            metric="log_loss", without=case.without, seed=seed, ablation=False, watch=watch,
            storage=Path(folder) / "studies.db",
        )  # fmt: skip
    return in_hand, whole, result.protocol["seconds"], result.protocol["epochs_trained"]["searched"] / case.epochs


def compare(case: Case, rounds: int) -> None:
    print(f"\n{case.name}: {case.count} configurations, up to {case.epochs} epochs, {torch.get_num_threads()} threads")
    print(f"techniques: {', '.join(case.space.techniques)}")
    usual_training(case, {"optimizer.lr": 1e-3})  # warm
    ratios, trainings = [], []
    for number in range(rounds):
        case.take(number)
        began = time.perf_counter()
        usual_training(case, {"optimizer.lr": 1e-3, "Dropout.rate": 0.3, "LabelSmoothing.epsilon": 0.1})
        one = time.perf_counter() - began
        in_hand, whole, phases, worth = ours(case, seed=number)
        peer_seconds, best, peer_worth = peer(case, seed=number)
        first, last = in_hand.first(best), whole.first(best)
        trainings.append(phases["search"] / one)
        ratios.append(first / peer_seconds)
        print(
            f"  round {number + 1}: peer {peer_seconds:.1f} s ({peer_worth:.1f} trainings), loss {best:.4f}; "
            f"ours after {first:.1f} s, ends at {min(loss for _, loss in in_hand):.4f}; ratio {ratios[-1]:.3f} "
            f"(whole trainings: {last:.1f} s, {last / peer_seconds:.3f})"
        )
        told = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in phases.items())
        print(f"           {told}; searched {worth:.1f} trainings' worth; one usual training {one:.2f} s: "
              f"search takes {trainings[-1]:.1f} of them")  # fmt: skip
    print(
        f"peer's score in {statistics.median(ratios):.3f} of its time, median of {rounds} (bar {BARS[case.name]:.2f})"
    )
    if case.name == "digits":
        print(f"the search takes {statistics.median(trainings):.1f} usual trainings (bar {TRAININGS})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=["digits", "mnist"])
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    makers = {"digits": digits, "mnist": mnist}
    with tempfile.TemporaryDirectory() as folder:  # warm: imports, first uses
        search(data="digits", budget=2, seeds=1, epochs=2, ablation=False, storage=Path(folder) / "studies.db")
    for name in chosen.cases:
        compare(makers[name](), chosen.rounds)


if __name__ == "__main__":
    main()
