"""The figures of the Gaussian basket over several seeds, beside the paper's: `make figures`.

Seeds move the market, the data and the initialisation. Every error is 1 - R2 on the test box, divided by that of the
paper's best column (fine-tuned on reference data), so 1 is as good as published and 0.5 is half the error.
"""

import argparse
import shutil
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from sobolev_pruning.running import BASKET_R2, read_config, run

QUANTITIES = ("value", "delta", "gamma")
EXAMPLE = Path(__file__).parent.parent / "examples" / "gaussian_basket.toml"


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--config", type=Path, default=EXAMPLE)
    parser.add_argument("--out", type=Path, default=Path("runs") / "figures")
    arguments = parser.parse_args()
    console = Console(width=120)
    paper = np.array([1.0 - BASKET_R2["finetuned-reference"][quantity] for quantity in QUANTITIES])

    ratios: dict[str, list[np.ndarray]] = {}
    sizes: dict[str, set[int]] = {}
    for seed in range(arguments.seeds):
        directory = arguments.out / f"seed-{seed}"
        shutil.rmtree(directory, ignore_errors=True)
        result = run(read_config(arguments.config, seed=seed), directory, progress=True)
        for stage in result.record.stages:
            r2 = stage.evaluation.figures("r2")
            ratios.setdefault(stage.name, []).append((1.0 - np.array([r2[q] for q in QUANTITIES])) / paper)
            sizes.setdefault(stage.name, set()).add(stage.n_parameters)
        final = [name for name in ratios if name.startswith("finetuned")][-1]
        shown = "  ".join(f"{quantity} {ratio:.3f}" for quantity, ratio in zip(QUANTITIES, ratios[final][-1]))
        console.print(f"seed {seed}: error over the paper's best column, {final}: {shown}", highlight=False)

    table = Table(title=f"Error (1 - R2) over that of the paper's best column, {arguments.seeds} seeds")
    for heading in ("stage", "parameters", "quantity", "mean", "median", "every seed"):
        table.add_column(heading, justify="left" if heading in ("stage", "quantity") else "right")
    for stage, rows in ratios.items():
        for column, quantity in enumerate(QUANTITIES):
            values = np.array(rows)[:, column]
            first = column == 0
            table.add_row(
                stage if first else "",
                ", ".join(f"{size:,}" for size in sorted(sizes[stage])) if first else "",
                quantity,
                f"{values.mean():.3g}",
                f"{np.median(values):.3g}",
                "  ".join(f"{value:.3g}" for value in values),
                end_section=column == 2,
            )
    console.print(table)
    if "oracle" in ratios and "finetuned-fixed" in ratios:
        of_both = [np.mean(ratios[name], axis=0) for name in ("finetuned-fixed", "oracle")]
        shown = "  ".join(f"{quantity} {ratio:.3g}" for quantity, ratio in zip(QUANTITIES, of_both[0] / of_both[1]))
        console.print(f"finetuned-fixed over the oracle on the same pairs, ratio of means: {shown}", highlight=False)


if __name__ == "__main__":
    main()
