"""The training loop and its optimisers."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from jax.flatten_util import ravel_pytree

import tolerances
from sobolev_pruning._foundation.errors import InputError, TrainingDiverged
from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.reference import GaussianBasket, from_function
from sobolev_pruning.sampling import principal_directions
from sobolev_pruning.surrogate import Surrogate
from sobolev_pruning.training import LBFGS, Adam, LevenbergMarquardt, SobolevLoss, fit
from sobolev_pruning.training.batches import Batch
from sobolev_pruning.training.choice import suitable_optimiser
from sobolev_pruning.training.optimiser import with_layers
from surrogates import random_surrogate

KEY = jax.random.key(5)
OPTIMISERS = {
    "adam": Adam(steps=300, batch_size=64, learning_rate=1e-2),
    "lbfgs": LBFGS(iterations=60),
    "levenberg-marquardt": LevenbergMarquardt(iterations=25),
}


@pytest.fixture(scope="module")
def start(samples) -> Surrogate:
    return Surrogate.create([3, 3, 1], samples, key=jax.random.key(4))


@pytest.fixture(scope="module")
def teacher(samples) -> Surrogate:
    return random_surrogate([3, 3, 1], samples, "silu", seed=4)


@pytest.fixture(scope="module")
def teacher_samples(teacher, samples) -> Samples:
    """Exact labels, so that the best loss of a network of the teacher's shape is 0."""
    return Samples(samples.x, teacher.value(samples.x), teacher.gradient(samples.x))


def near(network: Surrogate) -> Surrogate:
    """The same network with its parameters moved a little."""
    parameters, unravel = ravel_pytree(network.layers)
    moved = parameters + 0.1 * jax.random.normal(jax.random.key(9), parameters.shape, jnp.float64)
    return with_layers(network, unravel(moved))


def same_bits(one: Surrogate, other: Surrogate) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other)))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_loss_falls_to_a_known_solution(name, teacher, teacher_samples):
    result = fit(near(teacher), teacher_samples, key=KEY, optimiser=OPTIMISERS[name])
    assert result.history.train_total[-1] < 0.05 * result.history.train_total[0]
    assert result.best_held_out < tolerances.TRAINED_TO_ZERO[name]


def test_levenberg_marquardt_ends_where_scipy_does(samples):
    """Noisy labels, so that the best loss is not 0; one hidden node, started on the right side: there is one valley."""
    start = Surrogate.create([3, 1, 1], samples, key=jax.random.key(3))
    loss, batch = SobolevLoss.of(samples, 1, "fixed", 0.37), Batch.of(samples, 1)
    first, unravel = ravel_pytree(start.layers)

    @jax.jit
    def residuals(p):
        network = with_layers(start, unravel(p))
        f, gradient = jax.vmap(jax.value_and_grad(network))(batch.x)
        errors = (f - batch.y[:, 0])[None], (gradient - batch.dydx[:, 0]).T[:, None]
        return jnp.concatenate([r.ravel() for r in loss.weighted(errors, batch)]) / jnp.sqrt(1.0 * len(samples))

    ours = fit(
        start,
        samples,
        key=KEY,
        optimiser=LevenbergMarquardt(iterations=60),
        balance="fixed",
        weight=0.37,
        held_out=samples,
    )
    theirs = scipy.optimize.least_squares(residuals, first, jax.jit(jax.jacfwd(residuals)), ftol=1e-15, gtol=1e-13)
    assert ours.best_held_out == pytest.approx(2.0 * theirs.cost, rel=tolerances.MINIMUM)


def test_a_prior_leads_to_its_own_minimum(start, samples):
    """Against SciPy on the objective `L exp(|p|^2 / (n prior^2))`, and the weights it chooses have the least of it."""
    few, prior = samples[:40], 0.7
    found = fit(start, few, key=KEY, optimiser=LevenbergMarquardt(600, prior), held_out=0)
    loss, data = SobolevLoss.of(few, 1), Batch.of(few, 1)
    first, unravel = ravel_pytree(start.layers)

    @jax.jit
    @jax.value_and_grad
    def log_objective(p):
        return jnp.log(loss(with_layers(start, unravel(p)), data).total) + jnp.sum(p**2) / (40 * prior**2)

    def host(p):
        value, gradient = log_objective(jnp.asarray(p))
        return float(value), np.asarray(gradient)

    ours = np.asarray(ravel_pytree(found.surrogate.layers)[0])
    theirs = scipy.optimize.minimize(host, ours, jac=True, method="BFGS", options={"gtol": 1e-9})
    assert np.log(found.objective) == pytest.approx(host(ours)[0], rel=tolerances.ALGEBRAIC)
    assert theirs.fun == pytest.approx(host(ours)[0], abs=tolerances.MINIMUM)
    assert host(np.asarray(first))[0] - host(ours)[0] > 0.1
    without = fit(start, few, key=KEY, optimiser=LevenbergMarquardt(80), held_out=0)
    size, free = (sum(float(jnp.sum(a**2)) for a in jax.tree.leaves(one.surrogate.layers)) for one in (found, without))
    assert size < 0.8 * free and without.best_held_out < found.best_held_out < found.objective


@pytest.mark.parametrize("name", ["adam", "levenberg-marquardt"])
def test_second_order_training_falls_to_a_known_solution(name, teacher, samples):
    directions = principal_directions(samples, 2, "gradients")
    labels = teacher.label(samples.x, 2, directions)
    result = fit(near(teacher), labels, 2, key=KEY, optimiser=OPTIMISERS[name])
    assert result.best_held_out < tolerances.TRAINED_TO_ZERO[name]
    assert 0 < result.history.train_hessian[-1] < 0.05 * result.history.train_hessian[0]


def test_fresh_samples_bring_fresh_hessian_products():
    basket = GaussianBasket.random(n_assets=2, seed=0, smoothing=0.1)
    labels = basket.sample(jax.random.key(3), 512, order=2)
    start = Surrogate.create([2, 3, 1], labels, key=jax.random.key(2))
    optimiser = Adam(steps=120, batch_size=128, learning_rate=1e-2)
    result = fit(start, labels, 2, key=KEY, optimiser=optimiser, fresh=basket)
    assert result.history.held_out_hessian[-1] < result.history.held_out_hessian[0]
    assert len(np.unique(result.history.train_hessian)) == len(result.history)


def test_known_labels_alone_are_fitted(teacher, teacher_samples):
    """Half of the derivatives unknown, the others exact: the network is found all the same."""
    unknown = jnp.arange(teacher_samples.dydx.size).reshape(teacher_samples.dydx.shape) % 2 == 1
    dydx = jnp.where(unknown, jnp.nan, teacher_samples.dydx)
    labels = Samples(teacher_samples.x, teacher_samples.y, dydx, missing=True)
    result = fit(near(teacher), labels, key=KEY, optimiser=OPTIMISERS["levenberg-marquardt"])
    assert result.best_held_out < tolerances.TRAINED_TO_ZERO["levenberg-marquardt"]


def test_weighing_by_standard_errors_pays(teacher, samples):
    """A tenth of the labels carry thirty times the noise; weighed by their standard errors they hardly count."""
    noise = jnp.where(jnp.arange(len(samples)) % 10 == 0, 3.0, 0.1)
    keys = jax.random.split(jax.random.key(11))
    exact = teacher.label(samples.x)
    y = exact.y + noise * jax.random.normal(keys[0], exact.y.shape, jnp.float64)
    stderr = jnp.broadcast_to(noise[:, None], exact.dydx.shape)
    dydx = exact.dydx + stderr * jax.random.normal(keys[1], exact.dydx.shape, jnp.float64)
    labels = Samples(samples.x, y, dydx, y_stderr=noise, dydx_stderr=stderr)
    errors = {}
    for weigh in (False, True):
        optimiser = OPTIMISERS["levenberg-marquardt"]
        found = fit(near(teacher), labels, key=KEY, optimiser=optimiser, weigh_by_stderr=weigh, held_out=labels)
        errors[weigh] = float(jnp.mean((found.surrogate.value(samples.x) - exact.y) ** 2))
    assert errors[True] < 0.5 * errors[False]


@pytest.mark.parametrize("name", OPTIMISERS)
def test_masked_parameters_keep_every_bit(name, start, samples):
    mask = jax.tree.map(jnp.ones_like, start.layers)
    mask = (mask[0].__class__(mask[0].weight.at[1].set(0.0), mask[0].bias.at[0].set(0.0)), mask[1])
    result = fit(start, samples, key=KEY, optimiser=OPTIMISERS[name], mask=mask)
    for before, after, m in zip(*map(jax.tree.leaves, (start.layers, result.surrogate.layers, mask))):
        np.testing.assert_array_equal(after[m == 0], before[m == 0])
        assert (after[m == 1] != before[m == 1]).all()


def test_the_best_weights_are_those_of_the_lowest_held_out_loss(start, samples):
    held = samples[200:]
    result = fit(start, samples[:20], key=KEY, optimiser=LevenbergMarquardt(iterations=25), held_out=held)
    losses = result.history.held_out_total
    assert result.best_held_out == losses.min() < losses[-1]
    assert result.best_step == losses.argmin() + 1
    again = result.loss(result.surrogate, Batch.of(held, 1)).total
    assert float(again) == pytest.approx(result.best_held_out, rel=tolerances.ALGEBRAIC)


def test_training_that_only_makes_it_worse_returns_the_start(teacher, teacher_samples, samples):
    wrong = Samples(samples.x, -teacher_samples.y, -teacher_samples.dydx)
    result = fit(teacher, wrong, key=KEY, optimiser=OPTIMISERS["levenberg-marquardt"], held_out=teacher_samples)
    assert result.best_step == 0
    assert same_bits(result.surrogate, teacher)


def test_patience_stops_before_the_end(start, samples):
    optimiser = LevenbergMarquardt(iterations=400)
    result = fit(start, samples[:20], key=KEY, optimiser=optimiser, held_out=samples[200:], patience=10)
    assert result.stopped_by == "held-out loss"
    assert result.best_step + 10 <= result.steps == len(result.history) < 400


def test_a_fraction_held_out_is_kept_apart(start, samples):
    optimiser = Adam(steps=8, batch_size=32)
    assert fit(start, samples, key=KEY, optimiser=optimiser, held_out=0.25).steps == 12  # 192 samples, 6 to an epoch
    assert fit(start, samples, key=KEY, optimiser=optimiser, held_out=samples[:5]).steps == 8


def test_without_a_held_out_part_the_training_loss_chooses(start, samples):
    optimiser = LevenbergMarquardt(iterations=6)
    result, given = (fit(start, samples, key=KEY, optimiser=optimiser, held_out=held) for held in (0, samples))
    assert same_bits(result.surrogate, given.surrogate)
    assert result.best_held_out == result.history.held_out_total.min() < result.history.held_out_total[0]


@pytest.mark.parametrize("order", [0, 1])
def test_fresh_samples_differ_by_epoch_and_come_again(basket, samples, start, order):
    """Without a step to speak of, the training loss moves only with the samples."""
    still = Adam(steps=8, batch_size=64, learning_rate=1e-300)

    def curve(**changes):
        settings = {"key": KEY, "optimiser": still, "held_out": samples[:5], "order": order, "fresh": basket} | changes
        return fit(start, samples, **settings).history.train_total

    fresh = curve()
    assert len(np.unique(fresh)) == len(fresh) == 2
    np.testing.assert_array_equal(fresh, curve())
    assert not np.array_equal(fresh, curve(key=jax.random.key(6)))
    assert np.ptp(curve(fresh=None)) < 1e-12 < np.ptp(fresh)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_same_seed_gives_the_same_bits(name, start, samples):
    one, other = (fit(start, samples, key=KEY, optimiser=OPTIMISERS[name]) for _ in range(2))
    assert same_bits(one.surrogate, other.surrogate)
    np.testing.assert_array_equal(one.history.train_total, other.history.train_total)


def test_another_run_of_the_same_shapes_compiles_nothing(samples, caplog):
    """Other weights, labels, seed, steps, learning rate and loss weight."""

    def run(seed: int, steps: int, rate: float, weight: float):
        start = Surrogate.create([3, 3, 1], samples, key=jax.random.key(seed))
        labels = Samples(samples.x, samples.y + seed, samples.dydx * (1.0 + seed))
        optimiser = Adam(steps=steps, batch_size=64, learning_rate=rate)
        fit(start, labels, key=jax.random.key(seed), optimiser=optimiser, weight=weight)

    run(1, 40, 1e-3, 1.0)
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        run(2, 500, 3e-3, 0.3)
    assert [record.message for record in caplog.records if "ompiling" in record.message] == []


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_diverging_run_names_the_step_and_the_cause(name, start, samples):
    optimiser = Adam(steps=300, learning_rate=1e200) if name == "adam" else OPTIMISERS[name]
    if name != "adam":
        start = with_layers(start, jax.tree.map(lambda leaf: leaf * 1e200, start.layers))
    cause = {"adam": "learning rate 1e\\+200 is likely too large"}.get(name, "look for outliers")
    with pytest.raises(TrainingDiverged, match=f"diverged at step 1: the loss became (nan|inf); .*{cause}"):
        fit(start, samples, key=KEY, optimiser=optimiser)


def test_progress_without_a_terminal(start, samples, capfd):
    fit(start, samples, key=KEY, optimiser=Adam(steps=8, batch_size=64), progress="training")
    assert capfd.readouterr().out == ""


def test_the_optimiser_is_chosen_by_size():
    chosen = [type(suitable_optimiser(p, fixed_data=True)) for p in (21, 433, 17_665)]
    assert chosen == [LevenbergMarquardt, LBFGS, Adam]
    assert isinstance(suitable_optimiser(433, fixed_data=False), Adam)
    # Methods that look at all samples in every iteration end where those are many.
    for n_parameters, n, kind in ((21, 10**6, LevenbergMarquardt), (153, 300_000, Adam), (153, 65_536, LBFGS)):
        assert isinstance(suitable_optimiser(n_parameters, fixed_data=True, n_samples=n), kind)


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda: Adam(steps=0), "steps is 0; it must be above 0"),
        (lambda: Adam(learning_rate=float("nan")), "learning_rate is nan"),
        (lambda: LBFGS(iterations=-1), "iterations is -1"),
        (lambda: LevenbergMarquardt(iterations=0), "iterations is 0"),
        (lambda: LevenbergMarquardt(prior=0.0), "prior is 0.0; give a standard deviation above 0"),
    ],
)
def test_impossible_settings_are_named(make, advice):
    with pytest.raises(InputError, match=advice):
        make()


def test_what_does_not_fit_together_is_named(start, samples, basket):
    def refused(advice, **changes):
        settings = {"samples": samples, "key": KEY} | changes
        with pytest.raises(InputError, match=advice):
            fit(start, **settings)

    two_inputs = Samples(samples.x[:, :2], samples.y, samples.dydx[:, :2])
    no_derivatives = Samples(samples.x, samples.y)
    refused("surrogate has 3 inputs and 1 outputs, samples has 2 and 1", samples=two_inputs, held_out=0.5)
    refused("held_out has 2 and 1", held_out=two_inputs)
    refused("samples have no dydx", samples=no_derivatives)
    refused("held_out has no dydx", held_out=no_derivatives)
    refused("held_out is 1.5; give a fraction", held_out=1.5)
    refused("patience is 0; give a number of epochs", patience=0)
    refused("mask does not have the shapes", mask=start.layers[:1])
    refused("LBFGS compares the losses of successive epochs", fresh=basket, optimiser=LBFGS())
    refused("fresh draws 2 inputs", fresh=type(basket).random(n_assets=2, seed=0))
    pair = from_function(lambda x, z: jnp.stack([x[0] + z[0], x[1]]), inputs=(np.zeros(3), np.ones(3)), noise=1)
    refused("fresh draws 2 outputs, the samples have 1", fresh=pair, optimiser=Adam(steps=1))


def test_the_axis_of_a_single_output_may_be_there_or_not(start, samples):
    column = Samples(samples.x, samples.y[:, None], samples.dydx[:, None])
    given = [fit(start, data, key=KEY, optimiser=OPTIMISERS["lbfgs"]).surrogate for data in (samples, column)]
    np.testing.assert_array_equal(*(network.value(samples.x[:8]) for network in given))
