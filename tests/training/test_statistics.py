"""Batch norms of averaged weights learn the training part anew: as torch's own loop, and without the peers' faults."""

import copy

import pytest
import torch
from helpers import agrees, rejects
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

import dampen
from dampen import EMA, SWA, Adam, BatchNorm, DampenError, Dropout, EarlyStopping, GhostBatchNorm, Recipe, reference
from dampen.laws import plan_for
from dampen.training.fit import fit_pack
from dampen.training.problem import Member, Problem, prepare
from dampen.training.run import start
from dampen.worlds import small_data, small_problem

EPOCHS, BATCH = 6, 11


class Network(nn.Module):
    """Batch norm behind dropout of its own, whose noise widens what the norm sees."""

    def __init__(self, rate=0.5):
        super().__init__()
        self.first, self.noise, self.second = nn.Linear(64, 12), nn.Dropout(rate), nn.Linear(12, 8)
        self.norm, self.head = nn.BatchNorm1d(8), nn.Linear(8, 3)

    def into_norm(self, x):
        return self.second(self.noise(torch.tanh(self.first(x.flatten(1)))))

    def forward(self, x):
        return self.head(torch.tanh(self.norm(self.into_norm(x))))


class OwnNoise(Network):
    """Dropout as a function that asks for the network's own mode: nothing that the engine can put to rest by type."""

    def into_norm(self, x):
        return self.second(nn.functional.dropout(torch.tanh(self.first(x.flatten(1))), 0.5, self.training))


def problem_of(factory=Network, dtype=torch.float64):
    return Problem(small_data(), factory, epochs=EPOCHS, batch_size=BATCH, dtype=dtype)


def trained(problem, recipe, seeds=(1,), **how):
    """The run after all its epochs, and its first training batches (K, steps, N, ...)."""
    members = [Member("", recipe, seed) for seed in seeds]
    with torch.no_grad():
        run = start(problem, members, plan_for(problem, recipe, len(seeds), **how), train_sample=8)
        for epoch in range(problem.epochs):
            run.epoch(epoch, lambda clock: None)
        batches = torch.stack([inputs for inputs, _ in problem.feed.batches(run.order(0))], 1)
    return run, batches


def served(run):
    with torch.no_grad():
        return run.served()


# ------------------------------------------------------------------ torch's loop


def test_it_is_torchs_averaged_model_with_statistics_of_update_bn():
    """A loop as in torch's documentation, on a network without dropout, against ours: weights and statistics."""
    problem = problem_of(lambda: Network(rate=0.0))
    run, batches = trained(problem, Recipe(SWA(0.5), Adam(lr=0.01)))

    model = prepare(problem, Recipe(), 1, problem.facts(1)).model.train()
    optimizer, average = torch.optim.Adam(model.parameters(), lr=0.01), AveragedModel(model)
    for epoch in range(EPOCHS):
        for taken in run.order(epoch)[0]:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(problem.feed.inputs[taken]), problem.targets[taken]).backward()
            optimizer.step()
        if epoch + 1 >= 0.5 * EPOCHS:
            average.update_parameters(model)
    update_bn(list(batches[0]), average)

    params, buffers = served(run)
    expected = average.module
    for name, parameter in expected.named_parameters():
        agrees(params[name][0], parameter, rtol=1e-5, atol=1e-5)
    for name in ("norm.running_mean", "norm.running_var"):
        agrees(buffers[name][0], expected.get_buffer(name), rtol=1e-5, atol=1e-5)
        rejects(buffers[name][0], model.get_buffer(name))  # what the norm remembers of training itself
    inputs = problem.example(20)
    network = run.program.forward
    network.eval()
    with torch.no_grad():
        outputs, _ = network({n: p[0] for n, p in params.items()}, {n: b[0] for n, b in buffers.items()}, inputs)
    agrees(outputs, expected.eval()(inputs), rtol=1e-5, atol=1e-5)


# ------------------------------------------------------------------ the peers' faults


def by_hand(run, batches, *, dropout=False, momentum=None):
    """Mean and variance of the norm of the first member, by a torch module that holds the served weights and, to
    start with, the statistics of training."""
    model = copy.deepcopy(run.program.forward.model)
    params, _ = served(run)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(params[name][0])
        for name, buffer in model.named_buffers():
            buffer.copy_(run.pack.buffers[name][0])
    model.eval()
    model.norm.train()
    model.noise.train(dropout)
    if momentum is None:
        model.norm.reset_running_stats()
    model.norm.momentum = momentum
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for inputs in batches[0]:
            model(inputs)
    return {"mean": model.norm.running_mean, "variance": model.norm.running_var}


@pytest.fixture(scope="module")
def averaged():
    return trained(problem_of(), Recipe(SWA(0.5), Adam(lr=0.01)))


def statistics_of(run):
    _, buffers = served(run)
    return {"mean": buffers["norm.running_mean"][0], "variance": buffers["norm.running_var"][0]}


@pytest.mark.parametrize("network", [Network, OwnNoise])
def test_statistics_are_the_plain_mean_over_the_batches_with_noise_at_rest(network):
    run, batches = trained(problem_of(network), Recipe(SWA(0.5), Adam(lr=0.01)))
    params, _ = served(run)
    model = copy.deepcopy(run.program.forward.model).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(params[name][0])
        scaled = (batches[0] - run.pack.buffers["inputs_mean"][0]) / run.pack.buffers["inputs_std"][0]
        entering = [model.into_norm(inputs).numpy() for inputs in scaled]

    actual = statistics_of(run)

    agrees(list(actual.values()), list(reference.statistics_anew(entering)))
    agrees(actual, by_hand(run, batches))


def test_statistics_with_dropout_still_active_are_noticed(averaged):
    """The known fault: torch's update_bn trains the whole network, so dropout stays active."""
    run, batches = averaged
    rejects(statistics_of(run), by_hand(run, batches, dropout=True), at_least=0.01)


@pytest.mark.parametrize("momentum", [0.0, 0.1, 1.0], ids=["nothing learned", "as in training", "the last batch"])
def test_statistics_with_the_wrong_momentum_are_noticed(averaged, momentum):
    """The known fault: momentum 0 instead of none, which keeps the statistics of other weights."""
    run, batches = averaged
    rejects(statistics_of(run), by_hand(run, batches, momentum=momentum), at_least=0.01)


# ------------------------------------------------------------------ who is asked, and what stays as it is


@pytest.mark.parametrize("norm", [BatchNorm(), GhostBatchNorm(ghost_size=11)], ids=["batch", "ghost"])
@pytest.mark.parametrize("world", ["blobs", "blobs, convolutions"])
def test_a_packed_member_has_the_statistics_it_has_alone(norm, world):
    problem = small_problem(world=world, epochs=4)
    recipe = Recipe((norm, Dropout(0.3), SWA(0.5)))

    pack, _ = trained(problem, recipe, (1, 2, 3, 4), lift="vmap")
    _, together = served(pack)

    _, apart = served(trained(problem, recipe, (3,))[0])
    names = [name for name in apart if "running" in name]
    assert names
    agrees({n: together[n][2] for n in names}, {n: apart[n][0] for n in names})


def test_a_pack_mate_whose_average_has_not_begun_keeps_the_newest_statistics():
    problem, recipe = small_problem(epochs=4), Recipe((BatchNorm(), SWA(0.5)))
    members = [Member("", Recipe((BatchNorm(), SWA(start))), 1) for start in (0.5, 1.0, 0.25)]
    with torch.no_grad():
        run = start(problem, members, plan_for(problem, recipe, 3), train_sample=8)
        for epoch in range(4):
            run.epoch(epoch, lambda clock: None)
    _, buffers = served(run)

    names = [name for name in buffers if name.endswith(("running_mean", "running_var"))]
    assert names
    for name in names:
        agrees(buffers[name][1], run.pack.buffers[name][1], rtol=0, atol=0)
        rejects(buffers[name][0], run.pack.buffers[name][0], at_least=1e-3)
        rejects(buffers[name][2], run.pack.buffers[name][2], at_least=1e-3)


def test_ema_serves_the_newest_statistics():
    run, _ = trained(small_problem(epochs=3), Recipe((BatchNorm(), EMA(5.0))))

    agrees(served(run)[1], run.pack.buffers, rtol=0, atol=0)


def test_looking_leaves_training_as_it_was():
    """Modes, momenta and the norms' own statistics: the next epoch goes on from where the last one ended."""
    problem, recipe = small_problem(epochs=4), Recipe((BatchNorm(), Dropout(0.3), SWA(0.25)))
    looked = start(problem, [Member("", recipe, 1)], plan_for(problem, recipe, 1), train_sample=8)
    unseen = start(problem, [Member("", recipe, 1)], plan_for(problem, recipe, 1), train_sample=8)
    with torch.no_grad():
        for epoch in range(4):
            looked.epoch(epoch, lambda clock: None)
            unseen.epoch(epoch, lambda clock: None)
            looked.program.forward.train()
            modes = [(m.training, getattr(m, "momentum", None)) for m in looked.program.forward.model.modules()]
            looked.served()
            after = [(m.training, getattr(m, "momentum", None)) for m in looked.program.forward.model.modules()]
            assert after == modes

    agrees(looked.pack.block.data, unseen.pack.block.data, rtol=0, atol=0)
    agrees(looked.pack.buffers, unseen.pack.buffers, rtol=0, atol=0)


def test_a_norm_that_the_user_froze_stays_frozen():
    def frozen():
        model = Network()
        model.norm.eval()
        return model

    run, _ = trained(problem_of(frozen), Recipe(SWA(0.5)))

    agrees(served(run)[1], run.pack.buffers, rtol=0, atol=0)


@pytest.mark.parametrize("size", [1, 3], ids=["alone", "packed"])
def test_averages_in_bf16_have_finite_statistics_near_those_of_float32(size):
    problem, recipe = small_problem(torch.float32, epochs=4), Recipe((BatchNorm(), SWA(0.5)))
    seeds = tuple(range(size))

    _, short = served(trained(problem, recipe, seeds, precision="bf16")[0])
    _, full = served(trained(problem, recipe, seeds)[0])

    for name, tensor in full.items():
        assert short[name].dtype == tensor.dtype
        agrees(short[name], tensor, rtol=0.3, atol=0.3)


@pytest.mark.parametrize("size", [1, 4], ids=["alone", "packed"])
def test_the_network_handed_over_scores_as_reported_and_resumes_with_its_statistics(size, tmp_path):
    problem = small_problem(torch.float32, epochs=6)
    recipe = Recipe((BatchNorm(), Dropout(0.3), SWA(0.4), EarlyStopping(patience_epochs=6)))
    members = [Member("", recipe, seed) for seed in range(size)]
    plan = plan_for(problem, recipe, size)

    whole = fit_pack(problem, members, plan)
    fit_pack(problem, members, plan, folder=tmp_path, stop_after=4)
    resumed = fit_pack(problem, members, plan, folder=tmp_path)

    for fitted, again in zip(whole, resumed, strict=True):
        agrees((again.params, again.buffers), (fitted.params, fitted.buffers), rtol=0, atol=0)
        rows = problem.split(fitted.member.seed).test
        with torch.no_grad():
            outputs = fitted.model()(problem.feed.inputs[rows])
        agrees(problem.metric.score(outputs[None], problem.targets[rows][None]).item(), fitted.test["metric"])
        best = min(record["val_loss"] for record in fitted.history.epochs)
        agrees(fitted.validation["loss"], best, rtol=1e-5, atol=1e-6)  # the best epoch's weights with its statistics


# ------------------------------------------------------------------ in somebody else's loop


def test_a_foreign_loop_serves_statistics_of_the_data_it_was_attached_with():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 3))
    x, y = torch.randn(40, 6), torch.arange(40) % 3
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    reg = dampen.attach(Recipe(SWA(0.25)), model, optimizer, data=(x, y), epochs=4, steps_per_epoch=1)
    for _ in range(4):
        reg.backward(x, y)
        optimizer.step()
        reg.weights()
    live = copy.deepcopy(model.state_dict())

    with reg.serving() as network, torch.no_grad():
        entering = network[0](x)
        agrees(network[1].running_mean, entering.mean(0), rtol=1e-5, atol=1e-5)
        agrees(network[1].running_var, entering.var(0), rtol=1e-5, atol=1e-5)

    agrees(model.state_dict(), live, rtol=0, atol=0)
    assert model[1].training
    assert model[1].momentum == 0.1


def test_a_foreign_loop_without_data_is_refused():
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    reg = dampen.attach(Recipe(SWA()), model, torch.optim.SGD(model.parameters(), lr=0.1))

    with pytest.raises(DampenError, match=r"SWA must see the training part again.*data="):
        reg.backward(torch.randn(6, 6), torch.arange(6) % 3)
