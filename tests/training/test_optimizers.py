"""Optimizers against torch's at K = 1, in both forms: plain on a stack, and fused row by row."""

from __future__ import annotations

import pytest
import torch

from dampen import SGD, Adam, Recipe, RMSprop, WeightDecay
from dampen.contracts import tunables, with_values
from dampen.laws import plan_for
from dampen.models.adopt import adopt, build
from dampen.training import fused
from dampen.training.problem import Member
from dampen.training.run import start
from dampen.worlds import small_problem

STEPS = 100
CASES = {
    "SGD": (SGD(lr=0.05, momentum=0.0), lambda p: torch.optim.SGD(p, lr=0.05)),
    "momentum": (SGD(lr=0.05, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    "Nesterov": (
        SGD(lr=0.05, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    ),
    "Adam": (Adam(lr=0.01, beta1=0.8), lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.999))),
    "RMSprop": (RMSprop(lr=0.003, alpha=0.9), lambda p: torch.optim.RMSprop(p, lr=0.003, alpha=0.9)),
    "RMSprop with momentum": (
        RMSprop(lr=0.003, momentum=0.5),
        lambda p: torch.optim.RMSprop(p, lr=0.003, momentum=0.5),
    ),
    "AdamW": (
        (Adam(lr=0.01), WeightDecay(strength=0.1)),
        lambda p: torch.optim.AdamW(
            [
                {"params": [t for t in p if t.dim() > 1], "weight_decay": 0.1},
                {"params": [t for t in p if t.dim() <= 1], "weight_decay": 0.0},
            ],
            lr=0.01,
        ),
    ),
}


def trained_by_us(problem, recipe):
    with torch.no_grad():
        run = start(problem, [Member("", recipe, 1)], plan_for(problem, recipe, 1), train_sample=8)
        run.program.forward.model.train()
        losses = []
        for step in range(STEPS):
            epoch, number = divmod(step, run.steps_per_epoch)
            losses.append(
                run.step(run.clock(epoch, number), run.batch(run.order(epoch)[:, number]), run.trained(epoch)).loss
            )
    return run, {name: t[0].clone() for name, t in run.pack.params.items()}, torch.cat(losses)


def trained_by_torch(problem, run, make):
    """The hand-written loop over the same batches, from the same initial weights."""
    facts = problem.facts(1)
    model = build(problem.model, facts, 1, problem.dtype)
    adopt(model, facts)
    optimizer = make(list(model.parameters()))
    losses = []
    for step in range(STEPS):
        epoch, number = divmod(step, run.steps_per_epoch)
        rows = run.order(epoch)[0, number]
        loss = torch.nn.functional.cross_entropy(model(problem.feed.inputs[rows]), problem.targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return {name: p.detach() for name, p in model.named_parameters()}, torch.stack(losses)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("case", CASES)
def test_an_optimizer_equals_torchs_over_a_hundred_steps(case, dtype):
    ours, make = CASES[case]
    optimizer, *techniques = ours if isinstance(ours, tuple) else (ours,)
    problem = small_problem(dtype, epochs=STEPS)

    run, params, losses = trained_by_us(problem, Recipe(tuple(techniques), optimizer))
    expected, expected_losses = trained_by_torch(problem, run, make)

    if dtype == torch.float64:
        for name, tensor in expected.items():
            torch.testing.assert_close(params[name], tensor, rtol=1e-6, atol=1e-9)
    else:
        torch.testing.assert_close(losses, expected_losses, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("optimizer", [Adam(lr=0.01), SGD(lr=0.1), SGD(lr=0.1, nesterov=True)], ids=str)
def test_a_fused_kernel_equals_the_plain_form(optimizer):
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(3, 40, generator=generator, dtype=torch.float64)
    plain, quick = weights.clone(), weights.clone()
    plain_state, quick_state = optimizer.start(plain), optimizer.start(quick)
    lrs = [0.01, 0.03, 0.1]
    columns = {n: torch.full((3, 1), float(getattr(optimizer, n)), dtype=torch.float64) for n in tunables(optimizer)}
    columns["lr"] = torch.tensor(lrs, dtype=torch.float64)[:, None]
    kernel = fused.ROW_KERNELS[type(optimizer)]

    for step in range(1, 8):
        grads = torch.randn(3, 40, generator=generator, dtype=torch.float64)
        count = torch.full((3, 1), float(step), dtype=torch.float64)
        with_values(optimizer, columns).update(plain, grads, plain_state, count)
        for row, lr in enumerate(lrs):
            values = {f"optimizer.{n}": getattr(optimizer, n) for n in tunables(optimizer)} | {"optimizer.lr": lr}
            state = {name: t[row] for name, t in quick_state.items()}
            kernel(optimizer, values, quick[row], grads[row], state, step)

    torch.testing.assert_close(quick, plain, rtol=1e-9, atol=1e-12)
