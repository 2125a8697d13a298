"""How quickly the explorer follows the hand, and its picture for the documentation.

python benchmarks/explorer.py

A slider is moved in every frame for two seconds, in headless Chromium: for the call of the picture, and for a network
of 2,000 parameters. Printed are frames a second and the milliseconds of work in a frame; the target is 60 a second.
"""

import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import sobolev_pruning as sp
from sobolev_pruning.exploring import explorer_page
from sobolev_pruning.reference import black_scholes, payoffs

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "pictures" / "explorer.png"

_DRAG = """
const done = arguments[arguments.length - 1], slider = document.querySelector("#explorer input[type=range]");
const asked = window.requestAnimationFrame, works = [];
window.requestAnimationFrame = (draw) => asked(() => {
  const start = performance.now(); draw(); works.push(performance.now() - start);
});
let frame = 0, first;
asked(function step(now) {
  first ??= now;
  if (frame === 120) {
    works.sort((a, b) => a - b);
    done([1000 * frame / (now - first), works[Math.floor(0.5 * works.length)], works[Math.floor(0.95 * works.length)]]);
    return;
  }
  slider.value = 100 + 6 * frame++;
  slider.dispatchEvent(new Event("input"));
  asked(step);
});
"""


def call() -> tuple[sp.Surrogate, sp.Surrogate]:
    """Two networks of a call option over spot, volatility and maturity, the second one tiny."""
    inputs = {"spot": (60, 140), "volatility": (0.1, 0.4), "maturity": (0.1, 2.0)}
    reference = black_scholes(payoffs.call, inputs=inputs)
    x = np.random.default_rng(0).uniform(*map(np.asarray, reference.box), size=(8192, 3))
    truth = reference.truth(jnp.asarray(x), 1)
    samples = sp.Samples(x, truth.value, truth.gradient, inputs=reference.inputs, outputs=reference.outputs)
    return tuple(
        sp.fit(sp.Surrogate.create(widths, samples, key=jax.random.key(0)), samples, key=jax.random.key(1)).surrogate
        for widths in ([3, 10, 6, 1], [3, 6, 1])
    )


def large() -> sp.Surrogate:
    """A network of 2,000 parameters, as it is made."""
    x = np.random.default_rng(0).random((100, 6))
    return sp.Surrogate.create([6, 38, 43, 1], sp.Samples(x, x.sum(axis=1)), key=jax.random.key(0))


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    sys.path.insert(0, str(ROOT / "tests"))
    from browser import CHROMIUM, browser

    if CHROMIUM is None:
        raise SystemExit("Chromium is not installed.")
    network, small = call()
    wide = large()
    pages = {
        "call": explorer_page(network, "call.safetensors", rival=("small.safetensors", small)),
        "2,000 parameters": explorer_page(wide, "wide", box=(np.zeros(6), np.ones(6))),
    }
    table = Table("page", "parameters", "kB", "frames a second", "ms of work, median", "95%", title="Dragging a slider")
    with tempfile.TemporaryDirectory() as folder, browser() as driver:
        for (name, text), parameters in zip(pages.items(), (network.n_parameters, wide.n_parameters)):
            page = Path(folder) / "page.html"
            page.write_text(text, encoding="utf-8")
            size = {"width": 1280, "height": 960, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            driver.get(page.as_uri())
            if name == "call":
                driver.save_screenshot(str(PICTURE))
            frames, median, most = driver.execute_async_script(_DRAG)
            figures = f"{frames:.0f}", f"{median:.1f}", f"{most:.1f}"
            table.add_row(name, f"{parameters:,}", f"{len(text.encode()) / 1000:.0f}", *figures)
    Console().print(table)


if __name__ == "__main__":
    main()
