"""Problems of every kind by `sp.run` with its defaults: what came out, beside what is asked for.

    python benchmarks/problems.py                      all problems
    python benchmarks/problems.py airfoil put          those named

Each leaves its report in runs/problems/NAME. R2 is that of the final network at points, or rows, that nothing was
trained on: of values and of slopes (per spread of their input where inputs have several units), of the worst output
where there are several; "limit" is the largest error over its limit. Seconds are those of the whole run, with the calls
of the simulator. The American put is by finite differences of QuantLib, which has to be installed for it.
"""

import argparse
import importlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np
from models import MODELS
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp
from sobolev_pruning.certificates import Within
from sobolev_pruning.running.summary import verdict

OUT = Path("runs/problems")
HERE = Path(__file__).parent
TENTH_OF_THE_PAPER = {"value": 0.9999962, "delta": 0.9999863, "gamma": 0.9997374}


@dataclass(frozen=True)
class Problem:
    """A source, made when it is its turn; what is asked for; options of `sp.run`; and what else is looked at."""

    source: Callable
    asked: str
    options: dict = field(default_factory=dict)
    more: Callable[[sp.Surrogate], str] | None = None


def tau_leaping(x, seed):
    """An epidemic in plain NumPy: infection rate, recovery rate, first infected, contacts; its peak and its size."""
    infection, recovery, first, contacts = x
    generator = np.random.default_rng(seed)
    people, step = 1000, 0.25
    susceptible, infected, recovered = people - round(first), round(first), 0
    peak = infected
    for _ in range(240):
        rate = infection * contacts * susceptible * infected / people
        new = min(susceptible, generator.poisson(rate * step))
        healed = min(infected, generator.poisson(recovery * infected * step))
        susceptible, infected, recovered = susceptible - new, infected + new - healed, recovered + healed
        peak = max(peak, infected)
    return np.array([peak / people, (recovered + infected) / people])


def american_put(x, seed):
    """The value of an American put with strike 100 by finite differences, and its slopes: QuantLib's delta alone."""
    import QuantLib as ql

    spot, volatility, rate = (float(entry) for entry in x)
    today = ql.Date(1, 1, 2024)
    ql.Settings.instance().evaluationDate = today
    day_count = ql.Actual365Fixed()
    process = ql.BlackScholesProcess(
        ql.QuoteHandle(ql.SimpleQuote(spot)),
        ql.YieldTermStructureHandle(ql.FlatForward(today, rate, day_count)),
        ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), volatility, day_count)),
    )
    exercise = ql.AmericanExercise(today, today + ql.Period(1, ql.Years))
    option = ql.VanillaOption(ql.PlainVanillaPayoff(ql.Option.Put, 100.0), exercise)
    option.setPricingEngine(ql.FdBlackScholesVanillaEngine(process, 200, 400))
    return option.NPV(), np.array([option.delta(), np.nan, np.nan])


def network_of_torch():
    """A network of PyTorch's shape and layout, trained elsewhere: 3-16-16-1, tanh, as ONNX."""
    basket = sp.reference.GaussianBasket.random(n_assets=3, seed=0)
    samples = basket.sample(jax.random.key(0), 512)
    network = sp.Surrogate.create([3, 16, 16, 1], samples, activation="tanh", key=jax.random.key(1))
    OUT.mkdir(parents=True, exist_ok=True)
    file = OUT / "network.onnx"
    sp.save_onnx(sp.fit(network, samples, key=jax.random.key(2), optimiser=sp.Adam(steps=300)).surrogate, file)
    return str(file)


def airfoil():
    """Drag and its gradient by shape, Mach number and angle."""
    from smt.examples.airfoil_parameters.learning_airfoil_parameters import load_cd_training_data

    x, y, slopes = load_cd_training_data()
    names = [f"mode {i}" for i in range(1, 15)] + ["mach", "angle"]
    return sp.Samples(np.float64(x), np.float64(y).ravel(), np.float64(slopes), inputs=names, outputs=["drag"])


def engine():
    """Thrust and consumption of an engine with their slopes."""
    from smt.examples.b777_engine.b777_engine import get_b777_engine

    x, y, slopes = get_b777_engine()[:3]
    return sp.Samples(x, y, slopes, inputs=["mach", "altitude", "throttle"], outputs=["thrust", "consumption"])


def slope_of_the_put(network: sp.Surrogate) -> str:
    """Whether -1 <= dprice/dspot <= 0 is proved over the box, or refuted by a point."""
    claim = Within("gradient", -1.0, 0.0, entry=(0, 0))
    answer = sp.certify(network, network.training_range, [claim]).answers[0]
    return f"-1 <= dprice/dspot <= 0 {answer.status}"


def library(name: str, asked: str, minutes: float = 5.0) -> Problem:
    """A model of docs/models.md."""
    return Problem(MODELS[name], asked, {"minutes": minutes})


PROBLEMS = {
    "basket": Problem(
        lambda: sp.reference.GaussianBasket.random(n_assets=7, seed=0),
        "25 parameters, limits held, 180 s",
        {"tolerance": TENTH_OF_THE_PAPER},
    ),
    "airfoil": Problem(airfoil, "2,129 parameters, 0.9997, 0.996, 300 s", {"minutes": 5.0}),
    "engine": Problem(engine, "370 parameters, 0.9995 (thrust 0.9998), 0.998, 300 s", {"minutes": 5.0}),
    "epidemic": Problem(
        lambda: f"{HERE / 'problems.py'}:tau_leaping",
        "0.999 above the noise, 600 s",
        {
            "box": {"infection": (0.1, 0.4), "recovery": (0.05, 0.2), "first": (5.0, 50.0), "contacts": (0.5, 1.5)},
            "y": ["peak", "total"],
        },
    ),
    "put": Problem(
        lambda: f"{HERE / 'problems.py'}:american_put",
        "1 bp of the strike, delta 0.5%, slope proved or refuted",
        {
            "box": {"spot": (70.0, 130.0), "volatility": (0.1, 0.4), "rate": (0.01, 0.08)},
            "y": ["price"],
        },
        slope_of_the_put,
    ),
    "onnx": Problem(
        network_of_torch, "limits held, distance bounded, 180 s", {"box": ([0.5] * 3, [1.5] * 3), "minutes": 3.0}
    ),
    "call": library("call", "0.99997, 0.99986"),
    "basket-call": library("basket-call", "1.00000, 0.99993"),
    "asian": library("asian", "0.99999, 0.99997"),
    "worst-of": library("worst-of", "0.99995, 0.99975"),
    "heston": library("heston", "1.00000, 1.00000"),
    "gene": library("gene", "1.00000, 1.00000", 15.0),
    "medium-100": library("medium-100", "0.99998, 0.99570", 15.0),
}


def solved(name: str, problem: Problem) -> tuple[str, ...]:
    """A row of the table."""
    try:
        source = problem.source()
        if name == "put":  # its function is called in other processes, whose errors are no ImportError here
            importlib.import_module("QuantLib")
    except ImportError as error:
        return name, problem.asked, f"{error.name} is not installed", "", "", "", ""
    out = OUT / name
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    found = sp.run(source, out, **problem.options)
    seconds = time.perf_counter() - start
    final = next(stage for stage in found.record.stages[::-1] if stage.name in ("finetuned", "found"))
    evaluation, errors = final.evaluation, found.record.errors
    slopes = evaluation.delta_scaled or evaluation.delta
    shown = "-" if slopes is None or slopes.r2 is None else f"{slopes.r2:.6f}"
    words = [f"error {', '.join(f'{each.rmse:.3g}' for each in errors)}", *verdict(found.record)]
    words += [] if problem.more is None else [problem.more(found.surrogate)]
    size = f"{found.surrogate.n_parameters:,}"
    return name, problem.asked, size, f"{evaluation.value.r2:.6f}", shown, f"{seconds:.0f}", " ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PROBLEMS)}")
    names = parser.parse_args().names or list(PROBLEMS)
    table = Table("problem", "asked", "parameters", "value", "slopes", "s", "what is said")
    for name in names:
        table.add_row(*solved(name, PROBLEMS[name]))
        Console(width=160).print(table)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main()
