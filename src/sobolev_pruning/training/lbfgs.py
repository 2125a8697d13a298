"""Limited-memory BFGS on the full batch: for networks of some hundred to some thousand parameters."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from .full_batch import full_loss_and_gradient
from .losses import LossTerms
from .optimiser import AbstractOptimiser, Layers, expect_positive, with_layers

_SUFFICIENT_DECREASE = 1e-4
_CURVATURE = 0.9
_TRIES = 25
"""Step lengths tried in one iteration before it is given up."""


class _State(eqx.Module):
    """What one iteration leaves for the next: the loss and gradient where it ended, and the last moves.

    `moves` and `changes` are the last differences of parameters and gradients in a ring, `inverse_products` one over
    their dot products, 0 where a place is empty; `count` how many were ever put there; `scale` the size of the first
    inverse Hessian.
    """

    terms: LossTerms
    gradient: Float[Array, "p"]
    moves: Float[Array, "memory p"]
    changes: Float[Array, "memory p"]
    inverse_products: Float[Array, "memory"]
    count: Int[Array, ""]
    scale: Float[Array, ""]


class LBFGS(AbstractOptimiser):
    """Limited-memory BFGS on the full batch; one epoch is one iteration, the first one finds the loss at the start.

    Step lengths satisfy the weak Wolfe conditions, by bisection: the loss and its gradient then stand in the compiled
    program only once. An iteration that finds no better point forgets the memory. Nocedal and Wright 2006, algorithm
    7.4; Lewis and Overton 2013, algorithm 2.6.
    """

    iterations: int = 300
    memory: int = eqx.field(static=True, default=20)

    needs_fixed_data: ClassVar[bool] = True

    def __check_init__(self):
        expect_positive(iterations=self.iterations, memory=self.memory)

    def steps_per_epoch(self, n: int) -> int:
        return 1

    def epochs(self, n: int) -> int:
        return self.iterations

    def init(self, layers: Layers, n: int) -> _State:
        p = ravel_pytree(layers)[0].size
        infinite = jnp.asarray(jnp.inf)
        return _State(
            # The first iteration moves by 0 from an infinite loss, which the line search accepts: it only looks.
            terms=LossTerms(infinite, infinite, infinite, infinite),
            gradient=jnp.zeros(p),
            moves=jnp.zeros((self.memory, p)),
            changes=jnp.zeros((self.memory, p)),
            inverse_products=jnp.zeros(self.memory),
            count=jnp.asarray(0),
            scale=jnp.asarray(1.0),
        )

    def epoch(self, surrogate, state, loss, data, mask, key):
        start, unravel = ravel_pytree(surrogate.layers)
        trained = ravel_pytree(mask)[0]

        def evaluate(parameters):
            terms, gradient = full_loss_and_gradient(loss, with_layers(surrogate, unravel(parameters)), data)
            return terms, ravel_pytree(gradient)[0] * trained

        direction = -_inverse_hessian_times(state, state.gradient, self.memory)
        slope = direction @ state.gradient

        def is_short(carry):
            tries, _, _, _, done, _, _ = carry
            return (tries < _TRIES) & ~done

        def search(carry):
            tries, length, lower, upper, _, _, _ = carry
            terms, gradient = evaluate(start + length * direction)
            too_far = ~(terms.total <= state.terms.total + _SUFFICIENT_DECREASE * length * slope)
            too_near = ~too_far & (gradient @ direction < _CURVATURE * slope)
            upper, lower = jnp.where(too_far, length, upper), jnp.where(too_near, length, lower)
            done = ~too_far & ~too_near
            following = jnp.where(jnp.isinf(upper), 2.0 * lower, 0.5 * (lower + upper))
            return tries + 1, jnp.where(done, length, following), lower, upper, done, terms, gradient

        none, one = jnp.asarray(0.0), jnp.asarray(1.0)
        unknown = (0, one, none, jnp.asarray(jnp.inf), jnp.asarray(False), state.terms, state.gradient)
        _, length, _, _, _, terms, gradient = jax.lax.while_loop(is_short, search, unknown)
        better = terms.total <= state.terms.total
        end = jnp.where(better & (trained > 0), start + length * direction, start)
        moved = _remember(state, end - start, gradient - state.gradient, terms, gradient, self.memory)
        state = jax.tree.map(lambda new, old: jnp.where(better, new, old), moved, _forgetful(state))
        return with_layers(surrogate, unravel(end)), state, jax.tree.map(lambda term: term[None], state.terms)

    def advice(self) -> str:
        return "the labels are likely of very different sizes: look for outliers among them"


def _inverse_hessian_times(state: _State, vector: Float[Array, "p"], memory: int) -> Float[Array, "p"]:
    """The two-loop recursion; an empty place of the ring changes nothing, for its inverse product is 0."""

    def place(age):
        return (state.count - 1 - age) % memory

    def newest_first(age, carry):
        q, weights = carry
        i = place(age)
        weight = state.inverse_products[i] * (state.moves[i] @ q)
        return q - weight * state.changes[i], weights.at[i].set(weight)

    def oldest_first(back, r):
        i = place(memory - 1 - back)
        return r + state.moves[i] * (weights[i] - state.inverse_products[i] * (state.changes[i] @ r))

    q, weights = jax.lax.fori_loop(0, memory, newest_first, (vector, jnp.zeros(memory)))
    return jax.lax.fori_loop(0, memory, oldest_first, state.scale * q)


def _remember(state: _State, move, change, terms, gradient, memory: int) -> _State:
    product = move @ change
    useful = product > 1e-14 * jnp.linalg.norm(move) * jnp.linalg.norm(change)
    i = state.count % memory

    def put(ring, entry):
        return jnp.where(useful, ring.at[i].set(entry), ring)

    first_scale = 1.0 / jnp.maximum(jnp.linalg.norm(gradient), 1.0)
    scale = jnp.where(useful, product / (change @ change), jnp.where(state.count == 0, first_scale, state.scale))
    return _State(
        terms=terms,
        gradient=gradient,
        moves=put(state.moves, move),
        changes=put(state.changes, change),
        inverse_products=put(state.inverse_products, 1.0 / jnp.where(useful, product, 1.0)),
        count=state.count + jnp.where(useful, 1, 0),
        scale=scale,
    )


def _forgetful(state: _State) -> _State:
    scale = 1.0 / jnp.maximum(jnp.linalg.norm(state.gradient), 1.0)
    empty = jnp.zeros_like(state.inverse_products)
    return eqx.tree_at(lambda s: (s.inverse_products, s.scale), state, (empty, scale))
