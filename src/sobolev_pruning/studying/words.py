"""Factors and their levels as a reader sees them."""

from ..drawing.numbers import MISSING, count_text
from .statistics import Setting

FACTOR_TITLES = {
    "approach": "Approach",
    "criterion": "Criterion",
    "fold": "Fold",
    "schedule": "Schedule",
    "order": "Order of fine-tuning",
    "labels": "Labels",
    "size": "Size",
}

FACTOR_NOTES = {
    "approach": "Ways to a network of the same number of parameters.",
    "criterion": "What decides which nodes stay.",
    "fold": "What becomes of the contribution of a removed node.",
    "schedule": "Whether all nodes go at once, or in rounds with training between them.",
    "order": "Which derivatives the loss of fine-tuning sees.",
    "labels": "What fine-tuning learns from: the oversized network, the samples of its training, or fresh ones.",
    "size": "How many parameters are left.",
}

_LEVELS = {
    ("approach", "pruning"): "pruned",
    ("approach", "scratch"): "from scratch",
    ("approach", "scratch-restarts"): "from scratch, best start",
    ("approach", "growing"): "grown from small",
    ("approach", "set"): "sparse training, SET",
    ("approach", "rigl"): "sparse training, RigL",
    ("criterion", "fold"): "chosen for the fold",
    ("order", "none"): "no fine-tuning",
    ("order", 0): "order 0: values",
    ("order", 1): "order 1: slopes too",
    ("order", 2): "order 2: curvature too",
    ("labels", "teacher"): "oversized network",
    ("labels", "fixed"): "samples of the oversized",
    ("labels", "reference"): "fresh samples",
}


def level_text(factor: str, setting: Setting) -> str:
    """The level that a setting has of a factor."""
    level = setting.levels[factor]
    if factor == "size":
        return f"{count_text(setting.n_parameters)} parameters"
    return MISSING if level is None else _LEVELS.get((factor, level), str(level).replace("-", " "))


def approach_text(approach: str) -> str:
    """An approach in words."""
    return _LEVELS["approach", approach]


def listed(texts: list[str]) -> str:
    """Texts in a row, "and" before the last.

    >>> listed(["value", "delta", "gamma"]), listed(["value"])
    ('value, delta and gamma', 'value')
    """
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
