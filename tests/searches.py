"""What tests of a search need: problems and spaces that are made quickly, and a scene whose packing nobody measures."""

from __future__ import annotations

import functools

import numpy as np
import torch
from sklearn.datasets import load_wine

from dampen import MLP, Recipe
from dampen.data.dataset import from_arrays
from dampen.data.split import with_outer
from dampen.study import leases
from dampen.study.batch import Scene
from dampen.study.packing import Packing
from dampen.study.space import Narrowing, space_of
from dampen.study.store import Store
from dampen.training.plan import Ability, PackPlan
from dampen.training.problem import Problem, check_fits
from dampen.worlds import small_problem

WINE = load_wine()
PACKING = Packing(
    Ability(vmap=True, torch_randomness=False, bf16=False, images=False),
    lone=PackPlan((0,), (), "loop"),
    packed=PackPlan((0, 1, 2), (), "vmap"),
    gain=3.0,
    largest=64,
)


@functools.cache
def fitted_problem(world="blobs"):
    """(problem, layout) of one of the small worlds."""
    problem = small_problem(torch.float32, epochs=4, world=world)
    return problem, check_fits(problem, Recipe())


def space(preset="quick", always=(), without=(), ranges=None, world="blobs"):
    return space_of(*fitted_problem(world), Narrowing(preset, tuple(always), tuple(without), ranges or {}))


def wine(test=None):
    """178 wines of three kinds; with a list of rows, those are the test part that they bring."""
    if test is None:
        return from_arrays(WINE.data, WINE.target, name="wine")
    rest = np.setdiff1d(np.arange(len(WINE.data)), test)
    return from_arrays(WINE.data[rest], WINE.target[rest], WINE.data[test], WINE.target[test], name="wine")


def scene(folder, data=None, *, epochs=6, seed=0, sampler="tpe", metric=None, name="a", **narrowing):
    """All that the parts of a search share, its store below the folder; no second is measured."""
    data = with_outer(wine(), 0) if data is None else data
    problem = Problem(data, MLP((8,)), epochs, 32, metric, precision="float32", blind=True)
    layout = check_fits(problem, Recipe())
    store = Store(folder / "studies.db")
    store.create(name, higher_is_better=problem.metric.higher_is_better, about={})
    chosen = space_of(problem, layout, Narrowing(**narrowing))
    return Scene(name, problem, chosen, PACKING, sampler, seed, store, leases.own_name(), folder / name, 30.0)
