"""The usual hand-written loop, and the same work through dampen: what the speed bars compare."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from dampen import MLP, Recipe
from dampen.data import load
from dampen.training.plan import PackPlan
from dampen.training.problem import Member, Problem
from dampen.training.run import Run, start

BATCH = 64


def digits_problem(epochs: int) -> Problem:
    return Problem(load("digits"), MLP((128, 128)), epochs=epochs, batch_size=BATCH)


def our_run(problem: Problem, recipes: list[Recipe], lift: str) -> Run:
    """All recipes as one pack, ready to train."""
    members = [Member(str(seed), recipe, seed) for seed, recipe in enumerate(recipes)]
    names = tuple(recipes[0].named)
    with torch.no_grad():
        return start(problem, members, PackPlan(tuple(range(len(members))), names, lift), train_sample=1)


def our_epochs(run: Run, epochs: int) -> None:
    with torch.no_grad():
        for epoch in range(epochs):
            run.epoch(epoch, lambda _clock: None)


def usual_loop(
    problem: Problem, epochs: int, *, dropout: float, l1: float, l2: float, smoothing: float, look: bool = False
) -> None:
    """What people write: a DataLoader, `nn.Dropout`, penalties summed in Python, Adam. look: at the validation part
    after every epoch."""
    rows = problem.split(0).train
    inputs = problem.data.inputs[rows].flatten(1)
    inputs = (inputs - inputs.mean()) / inputs.std()
    labels = problem.data.targets[rows].argmax(1)
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=BATCH, shuffle=True, drop_last=True)
    model = nn.Sequential(
        *(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(dropout)),
        *(nn.Linear(128, 128), nn.ReLU(), nn.Dropout(dropout)),
        nn.Linear(128, 10),
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=smoothing)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    weights = [p for p in model.parameters() if p.dim() > 1]
    model.train()
    for _ in range(epochs):
        for x, y in loader:
            loss = criterion(model(x), y)
            if l1:
                loss = loss + l1 * sum(w.abs().sum() for w in weights)
            if l2:
                loss = loss + l2 / 2 * sum(w.square().sum() for w in weights)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if look:
            rows = problem.split(0).validation
            with torch.no_grad():
                outputs = model.eval()(problem.data.inputs[rows].flatten(1))
            (outputs.argmax(1) == problem.data.targets[rows].argmax(1)).float().mean().item()
            model.train()
