"""Stacking values of any kind along a new first axis."""

import jax
import jax.numpy as jnp

from .affine.form import AffineForm, aligned
from .affine.linear import as_form
from .interval import Interval, as_interval


def stack(values):
    """Affine forms if one of the values is one, else intervals if one is, else points."""
    if any(isinstance(x, AffineForm) for x in values):
        forms = [as_form(x, x.shape) for x in values]
        noise, blocks = aligned(forms)
        linear, rows = max((form.linear, form.polynomial.shape[0]) for form in forms)
        polynomial = [x.polynomial if x.linear else jnp.zeros((rows, *x.shape), x.dtype) for x in forms]
        return AffineForm(
            jnp.stack([form.center for form in forms]),
            jnp.stack(polynomial, axis=1),
            jnp.stack(noise, axis=1),
            jnp.stack([form.error for form in forms]),
            stack([form.range for form in forms]),
            blocks,
            any(form.significant for form in forms),
            linear,
        )
    if any(isinstance(x, Interval) for x in values):
        return jax.tree.map(lambda *ends: jnp.stack(ends), *[as_interval(x) for x in values])
    return jnp.stack(values)
