"""Small records for tests of the report: synthetic, but of the shape that a run gives."""

from itertools import pairwise

import numpy as np

from sobolev_pruning._foundation.variables import numbered_inputs, numbered_outputs
from sobolev_pruning.evaluation import Evaluation, score
from sobolev_pruning.running import Predictions, RemovalRecord, ReportRecord, StageRecord, Timings
from sobolev_pruning.training import History

WIDTHS = ((3, 40, 40, 1), (3, 8, 8, 1), (3, 2, 4, 1))
PUBLISHED = {
    "oversized": {"value": 0.999545, "delta": 0.9987, "gamma": 0.997033},
    "finetuned-reference": {"value": 0.9, "delta": 0.999999999, "gamma": 0.9},
}
TIMINGS = Timings(source=2e-3, source_words="4,096 simulated labels", oversized=1e-5, final=1e-6, total=19.99)


def evaluation(noise: float, seed: int = 0, derivatives: bool = True) -> Evaluation:
    """Scores of noisy predictions of a made-up truth."""
    random = np.random.default_rng(seed)

    def noisy(*shape: int):
        truth = random.normal(size=shape)
        return score(truth + noise * random.normal(size=shape), truth)

    if not derivatives:
        return Evaluation(noisy(50), None, None, None, None, 50, "samples")
    return Evaluation(noisy(50), noisy(50, 3), noisy(50, 3), noisy(50), noisy(50, 3, 3), 50, "closed form")


def history(epochs: int, order: int) -> History:
    """Falling loss curves; at order 0 the derivative columns are 0, as training leaves them."""
    curve = 10.0 ** -np.linspace(0, 2, epochs)
    derivative = 2 * curve if order else np.zeros(epochs)
    total = curve + derivative
    terms = [total, curve, derivative, np.zeros(epochs)]
    return History(32 * np.arange(1, epochs + 1), *terms, *[1.2 * term for term in terms])


def predictions(noise: float, points: int) -> Predictions:
    """Predictions beside the truth of a smoothed kink."""
    random = np.random.default_rng(7)
    axis = random.uniform(0.5, 1.5, points)
    true = [np.log1p(np.exp(8 * (axis - 1))) / 8, 1 / (1 + np.exp(-8 * (axis - 1))), np.exp(-20 * (axis - 1) ** 2)]
    noisy = [t + noise * random.normal(size=points) for t in true]
    return Predictions(axis, "basket price", "all inputs", noisy[0], true[0], noisy[1], true[1], noisy[2], true[2])


def stage(
    name: str,
    widths: tuple[int, ...] | None,
    noise: float,
    order: int | None,
    points: int = 60,
    description: str = "A stage.",
) -> StageRecord:
    """One stage; `order` None leaves it without a history."""
    parameters = 9 if widths is None else sum((a + 1) * b for a, b in pairwise(widths))
    curves = None if order is None else history(12, order)
    scored = evaluation(noise), evaluation(noise, seed=1)
    return StageRecord(name, description, widths, parameters, *scored, curves, predictions(noise, points), 1.5)


def removals() -> tuple[RemovalRecord, ...]:
    """Two rounds of a network of two hidden layers; the second takes its second layer as a whole."""
    random = np.random.default_rng(3)
    rounds = []
    for number, (width, keep) in enumerate([(40, (8, 8)), (8, (2, 0))], start=1):
        scores = tuple(10.0 ** random.normal(-2, 1, width) for _ in keep)
        kept = tuple(np.argsort(np.argsort(-s)) < k for s, k in zip(scores, keep))
        halves = tuple(np.sqrt(s) for s in scores)
        rounds.append(RemovalRecord(number, "interval", scores, halves, halves, kept))
    return tuple(rounds)


def small_record(points: int = 60) -> ReportRecord:
    """A run with everything in it: plain and Sobolev training, a control, an oracle, two rounds of removal."""
    stages = (
        stage("oversized", WIDTHS[0], 0.05, 0, points),
        stage("pruned", WIDTHS[1], 2.0, 0, points),
        stage("finetuned-reference", WIDTHS[2], 0.01, 1, points, "Fresh pairs, & <derivatives>."),
        stage("scratch", WIDTHS[2], 0.1, 1, points),
        stage("oracle", None, 0.001, None, points),
    )
    return ReportRecord(
        name="small",
        seed=3,
        source="A made-up basket",
        inputs=numbered_inputs(3),
        outputs=numbered_outputs(1),
        box=(np.zeros(3), np.ones(3)),
        remarks=(),
        decisions=(),
        search=None,
        slices=(),
        errors=(),
        peers=(),
        certificate=None,
        explorer='<div id="explorer">A part of its own</div>',
        error_bars=None,
        calls=(("C", "f(x) < g(x);"),),
        stages=stages,
        removals=removals(),
        timings=TIMINGS,
        published=PUBLISHED,
        config='name = "small"\n[samples]\npairs = 64  # <few>\n',
        versions={"sobolev-pruning": "0.1.0", "jax": "0.0"},
    )
