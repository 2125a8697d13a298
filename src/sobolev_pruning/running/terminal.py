"""The results table as the terminal shows it at the end of a run."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from ..drawing.numbers import count_text, r2_text, stage_label, widths_text
from .records import StageRecord
from .tables import PAPER_WIDTHS, REPORTED_QUANTITIES, truths_text


def results_table(stages: Sequence[StageRecord], published: dict[str, dict[str, float]]) -> Table:
    """R2 of every quantity, one stage below the other, and under each the paper's where `published` has the stage.

    Layers and parameters are our own; the paper's are told below. With several outputs a figure is that of the worst.
    Fits 80 columns. A tick (and green, where there are colours) marks an error `1 - R2` that is at most the paper's.
    """
    caption = "R² = 1: exact; R² = 0: no better than a constant."
    if truths := truths_text(stages):
        caption += f" The truth is {truths}."
    if any(stage.name in published for stage in stages):
        caption += f" ✓ at least as good as the paper. {PAPER_WIDTHS}"
    table = Table(
        title="How well each stage imitates the reference: R², higher is better",
        title_style="bold",
        title_justify="left",
        caption=caption,
        caption_style="dim",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=0,
        header_style="bold",
    )
    table.add_column("Stage", no_wrap=True)
    table.add_column("Parameters", justify="right", no_wrap=True)
    for quantity in REPORTED_QUANTITIES:
        table.add_column(f"{quantity.capitalize()} ", justify="right", no_wrap=True)
    for stage in stages:
        paper = published.get(stage.name, {})
        ours = stage.evaluation.figures("r2")
        table.add_row(
            stage_label(stage.name),
            count_text(stage.n_parameters),
            *(_ours(ours[quantity], paper.get(quantity)) for quantity in REPORTED_QUANTITIES),
        )
        layers = "" if stage.widths is None else f"  {widths_text(stage.widths)}"
        if layers or paper:
            texts = [layers, "paper" if paper else ""]
            texts += [f"{r2_text(paper[quantity])} " if quantity in paper else "" for quantity in REPORTED_QUANTITIES]
            table.add_row(*(Text(text, style="dim") for text in texts))
    return table


def _ours(r2: float | None, paper: float | None) -> Text:
    if r2 is not None and paper is not None and r2 >= paper:
        return Text(f"{r2_text(r2)}✓", style="bold green")
    return Text(f"{r2_text(r2)} ", style="" if r2 is None else "bold")
