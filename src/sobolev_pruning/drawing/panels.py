"""One drawing of a small multiple, with the words around it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """An `<svg>` element, its title, and a short note to stand beside it."""

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Row:
    """Panels side by side, under a title of their own."""

    title: str
    panels: tuple[Panel, ...]
