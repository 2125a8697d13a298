"""The networks that a search looks at: how each is made from a larger one, trained, and measured."""

import hashlib
import time
from dataclasses import dataclass

import equinox as eqx
import jax
import numpy as np

from .._foundation.errors import InputError
from .._foundation.samples import Samples, digest_of
from .._foundation.versions import with_versions
from ..evaluation import Evaluation
from ..pruning import Masked, compact, input_effects, pad, prune, remove_inputs
from ..reference import AbstractReference
from ..scoring import as_box
from ..surrogate import Surrogate, matching_samples, operation_count, parameter_count, to_tensors
from ..training import LBFGS, LevenbergMarquardt, fit
from ..training.choice import suitable_optimiser
from ..training.optimiser import AbstractOptimiser
from ..training.stage_store import Stage, StageStore
from .search_data import SearchData
from .shapes import Shape, layers_to_keep
from .tolerance import Errors, measure_of_all

_PADDED_TO = 4
ITERATIONS = 25
"""Of Levenberg-Marquardt; networks that are too large for it take `STEPS` of L-BFGS."""
STEPS = 500
_PATIENCE = 5
"""Of Levenberg-Marquardt. The held-out loss of L-BFGS rises now and then on its way down: on the airfoil data a
patience of 5 or 20 iterations ends at 110 of 500, with two and a half times the error.
"""

_NO_WORSE = 1.01
"""An input without which the errors of the start network grow by no larger factor does not matter."""
_WORTH_TRYING = 100.0
"""Inputs are taken away for a trial where errors stay within so many limits before any training."""

_CLOSE, _ALIKE = 5.0, 2.0
"""See `Candidates.close`."""

SIZES = {"parameters": parameter_count, "operations": operation_count}

_HOLD_OUT_BELOW = 500
"""With more samples than this for every parameter none is held out: noise cannot be fitted, but it would choose."""


@dataclass(frozen=True)
class Candidate:
    """One network that the search tried.

    `inputs` are the inputs that it looks at; others count neither in `widths` nor in `n_parameters` and `n_operations`
    (of one call). `errors` are those of the tolerance's figure by quantity, of several outputs by quantity and output
    ("value of output 0"); `stderr` their standard errors where noise is in them. Where noise in the labels hides an
    error, it is the excess over that of the start network instead, and `on_labels` has it noise and all; `accepted`
    says whether all stayed within their limits, and `pairs` how many samples the candidate was trained on.
    """

    widths: tuple[int, ...]
    inputs: tuple[int, ...]
    n_parameters: int
    n_operations: int
    errors: dict[str, float]
    stderr: dict[str, float]
    on_labels: dict[str, float]
    accepted: bool
    pairs: int
    seconds: float

    @property
    def shape(self) -> Shape:
        """Hidden layers and inputs."""
        return Shape(self.widths[1:-1], self.inputs)


class Candidates:
    """Trains and measures networks of any shape; `path` lists all that were tried.

    Without a tolerance nothing is limited, and errors are 1 - R2 of all that can be measured.
    """

    def __init__(
        self,
        surrogate,
        data,
        tolerance,
        box,
        pairs,
        seed,
        progress,
        checkpoints,
        against,
        size,
        order=1,
        scaled=False,
        seconds=None,
    ):
        self.start, self.progress, self._allowed = surrogate, progress, seconds
        self.training = {"order": order, "scaled": scaled}
        if isinstance(data, Samples):
            data = matching_samples(surrogate, data)
        if size not in SIZES:
            raise InputError(f'size is {size!r}; choose "parameters" or "operations".')
        self.count = SIZES[size]
        if box is None and not isinstance(data, AbstractReference):
            raise InputError("shrink needs a box to measure errors in; give box=(lower, upper), or a reference.")
        self.box = as_box(data.box if box is None else box, surrogate.widths[0])
        self.key = jax.random.key(seed)
        self.data = SearchData.gather(surrogate, data, against, self.box, pairs, max(1, order), self.key)
        of_start = self.data.evaluator(surrogate)
        self.against = of_start.against
        self.measure = measure_of_all(of_start) if tolerance is None else tolerance.measure(of_start)
        # In a box inputs are independent; those of samples may tell something of each other.
        self._where = {"samples": data} if isinstance(data, Samples) else {"box": self.box}
        errors = self.measure(of_start)
        self._least = dict(errors.size)
        self.inputs = self._inputs_that_matter(errors)
        self.path: list[Candidate] = []
        self.store = StageStore(checkpoints, self._fingerprint(of_start, pairs, seed, size))

    @property
    def limits(self) -> dict[str, float]:
        """The largest error allowed by name."""
        return self.measure.limits

    def coarse(self, shape: Shape, parent: Surrogate) -> tuple[Surrogate, Errors]:
        """A network of this shape folded from `parent` and trained on few samples, and its errors."""
        return self._tried(shape, "coarse", len(self.data.few), lambda name: self._train_coarse(shape, parent, name))

    def refined(self, shape: Shape, network: Surrogate) -> tuple[Surrogate, Errors]:
        """The network trained on all samples, and its errors."""
        if len(self.data.all) == len(self.data.few):
            return network, self.errors(network)
        return self._tried(shape, "full", len(self.data.all), lambda name: self._train_full(shape, network, name))

    def verify(self, network: Surrogate):
        """Its evaluation on points never used before."""
        return self.data.verification()(network)

    def errors(self, network: Surrogate) -> Errors:
        """Its errors on the points of the search."""
        return self.measure(self.data.evaluator(network))

    def within(self, errors: Errors, times: float = 1.0) -> bool:
        """Whether every error stays within so many times its limit."""
        limits = {name: times * limit for name, limit in self.limits.items()}
        return errors.within(limits, self.measure.compared)

    def close(self, errors: Errors) -> bool:
        """Whether a network trained on few samples may be within the limits once it is trained on all.

        Every error is within `_CLOSE` times its limit; or no larger than `_ALIKE` times the least that any network was
        seen to have, for the noise of few samples may be all that is left of it.
        """
        for name, limit in self.limits.items():
            self._least[name] = min(self._least[name], max(errors.size[name], 0.0))
            if errors.size[name] > max(_CLOSE * limit, _ALIKE * self._least[name]) + errors.stderr[name]:
                return False
        return True

    def time_is_over(self, part: float = 1.0) -> bool:
        """Whether all trainings so far took this part of the seconds that are allowed."""
        return self._allowed is not None and sum(one.seconds for one in self.path) > part * self._allowed

    def size(self, shape: Shape) -> int:
        """The parameters, or operations, of a network of this shape."""
        return self.count(shape.widths(self.start.widths[-1]))

    def parameters(self, shape: Shape) -> int:
        """The number of parameters of a network of this shape."""
        return parameter_count(shape.widths(self.start.widths[-1]))

    def with_fewer_inputs(self, shape: Shape, network: Surrogate) -> list[Shape]:
        """`shape` without some of its inputs, where `network` without them is not far beyond all limits."""
        shapes = shape.with_fewer_inputs(input_effects(network, **self._where))
        return [s for s in shapes if self.within(self.errors(self._restricted(network, s)), _WORTH_TRYING)]

    def _restricted(self, network: Surrogate, shape: Shape) -> Surrogate:
        others = [c for c in range(self.start.widths[0]) if c not in shape.inputs]
        return remove_inputs(network, others, **self._where).surrogate if others else network

    def _inputs_that_matter(self, of_start: Errors) -> tuple[int, ...]:
        """All but the weakest inputs, as many as the start network is no worse without; found by halving."""
        effects = input_effects(self.start, **self._where)
        weakest = sorted(range(len(effects)), key=lambda c: (effects[c], c))
        known, too_many = 0, len(effects)
        while too_many - known > 1:
            count = (known + too_many) // 2
            errors = self.errors(self._restricted(self.start, Shape((), tuple(weakest[count:]))))
            # What a standard error is larger than that of the start is the noise of the difference.
            noise = {name: max(0.0, errors.stderr[name] - of_start.stderr[name]) for name in errors.stderr}
            if all(errors.size[name] <= _NO_WORSE * of_start.size[name] + noise[name] for name in noise):
                known = count
            else:
                too_many = count
        return tuple(sorted(weakest[known:]))

    def _tried(self, shape: Shape, part: str, pairs: int, train) -> tuple[Surrogate, Errors]:
        name = f"{part} {'-'.join(map(str, shape.hidden))}"
        if len(shape.inputs) < self.start.widths[0]:
            name += f" of {len(shape.inputs)} inputs"
        number = len(self.path) + 1
        stage = self.store.stage(f"{number:03d}-{name.replace(' ', '-')}", lambda inside: train(name))
        network, errors = stage.surrogate, self.errors(stage.surrogate)
        self.measure = self.measure.after(errors)
        widths = shape.widths(network.widths[-1])
        self.path.append(
            Candidate(
                widths,
                shape.inputs,
                parameter_count(widths),
                operation_count(widths),
                errors.size,
                errors.stderr,
                errors.on_labels,
                self.within(errors),
                pairs,
                stage.seconds,
            )
        )
        return network, errors

    def _train_coarse(self, shape: Shape, parent: Surrogate, name: str) -> Stage:
        """Fine-tuned in a padded shape, which other candidates share: every new shape would be compiled."""
        start = time.perf_counter()
        keep = layers_to_keep(parent.widths[1:-1], shape.hidden)
        folded = prune(self._restricted(parent, shape), keep, box=self.box, fold="sobolev")
        if keep[0] == 0:  # what stands for a layer melted away was fitted anew, to all inputs
            folded = self._restricted(folded, shape)
        width = max(_PADDED_TO, 1 << (max(shape.hidden) - 1).bit_length())
        padded, plan = pad(folded, (width,) * len(shape.hidden))
        return self._trained(shape, padded, self.data.few, name, start, lambda network: compact(network, plan))

    def _train_full(self, shape: Shape, network: Surrogate, name: str) -> Stage:
        whole = pad(network, network.widths[1:-1])[0]
        return self._trained(shape, whole, self.data.all, name, time.perf_counter(), lambda trained: trained)

    def _trained(self, shape: Shape, masked: Masked, samples: Samples, name: str, start: float, finish) -> Stage:
        mask = _only_inputs(masked.parameters, shape.inputs)
        parameters = int(sum(part.sum() for part in jax.tree.leaves(mask)))
        optimiser = _optimiser(masked.surrogate, samples)
        result = fit(
            masked.surrogate,
            samples,
            **self.training,
            key=self.key,
            optimiser=optimiser,
            held_out=0.125 if len(samples) < _HOLD_OUT_BELOW * parameters else 0,
            patience=_PATIENCE if isinstance(optimiser, LevenbergMarquardt) else None,
            mask=mask,
            progress=f"shrink {name}" if self.progress else None,
        )
        return Stage(finish(result.surrogate), {}, time.perf_counter() - start)

    def _fingerprint(self, of_start: Evaluation, pairs: int, seed: int, size: str) -> str:
        tensors, header = to_tensors(self.start)
        settings = (
            f"{self.measure} {of_start} {size} {pairs} {seed} {self.training} {header} {digest_of(self.data.all)}"
        )
        digest = hashlib.sha256(settings.encode())
        for array in (*tensors.values(), self.box.lower, self.box.upper):
            digest.update(np.asarray(array).tobytes())
        return with_versions(digest.hexdigest())


def _optimiser(network: Surrogate, samples: Samples) -> AbstractOptimiser:
    """That which suits the network with its padding, as that is what an iteration costs."""
    suitable = suitable_optimiser(network.n_parameters, fixed_data=True, n_samples=len(samples))
    return LevenbergMarquardt(ITERATIONS) if isinstance(suitable, LevenbergMarquardt) else LBFGS(STEPS)


def _only_inputs(mask, inputs: tuple[int, ...]):
    """The mask of all parameters but the weights of other inputs, in the structure of `mask`."""
    first = mask[0].weight
    used = np.zeros(first.shape[1])
    used[list(inputs)] = 1.0
    return eqx.tree_at(lambda layers: layers[0].weight, mask, first * used[None])
