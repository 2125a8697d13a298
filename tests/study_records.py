"""Small records for tests of a study's report: synthetic, but of the shape that a study gives."""

from sobolev_pruning.studying import CellRecord, CrossingRecord, StudyRecord

FACTORS = ("approach", "criterion", "fold", "schedule", "order", "labels", "size")
DEFAULT = {
    "approach": "pruning",
    "criterion": "split",
    "fold": "sobolev",
    "schedule": "one-shot",
    "order": 1,
    "labels": "reference",
    "size": (4, 4),
}
PARAMETERS = {(4, 4): 33, (2, 2): 11}


def cells(errors: dict[int, float | None], **levels) -> list[CellRecord]:
    """One setting: its levels where they differ from the default, and the error of value by seed.

    The error of delta is 2 times that of value, of gamma 10 times; a seed without error is one that diverged.
    """
    found = DEFAULT | levels
    if found["approach"] != "pruning":
        found |= dict.fromkeys(("criterion", "fold", "schedule"))
    name = "_".join(str(level) for level in found.values())
    factors = {"value": 1.0, "delta": 2.0, "gamma": 10.0}
    return [
        CellRecord(
            setting=name,
            levels=found,
            seed=seed,
            widths=(2, *found["size"], 1),
            n_parameters=PARAMETERS[found["size"]],
            errors={} if error is None else {quantity: f * error for quantity, f in factors.items()},
            rmse={},
            seconds=2.0,
            fault="Training diverged at step 3: <nan>." if error is None else None,
        )
        for seed, error in errors.items()
    ]


def small_study() -> StudyRecord:
    """Pruning wins against scratch at 33 parameters in every seed, loses at 11, and stands even with growing."""
    small = (2, 2)
    found = [
        *cells({0: 1e-3, 1: 2e-3, 2: 4e-3}),
        *cells({0: 2e-3, 1: 6e-3, 2: 8e-3}, approach="scratch"),
        *cells({0: 2e-2, 1: 2e-2, 2: 2e-2}, size=small),
        *cells({0: 1e-2, 1: 1e-2, 2: 1e-2}, approach="scratch", size=small),
        *cells({0: 9e-4, 1: 3e-3, 2: 4.1e-3}, approach="growing"),
        *cells({0: 0.9, 1: None, 2: 1.2}, approach="rigl"),
        *cells({0: 5e-4, 1: 1e-3, 2: 2e-3}, criterion="fold"),
        *cells({0: 5e-2, 1: 6e-2, 2: 7e-2}, criterion="random"),
        *cells({0: 1e-1, 1: 1e-1, 2: 1e-1}, order="none", labels=None),
        *cells({0: 3e-3, 1: 3e-3, 2: 3e-3}, labels="teacher"),
        *cells({0: 3e-4, 1: 3e-4, 2: 3e-4}, order=2, labels="teacher"),
    ]
    names = list(dict.fromkeys(cell.setting for cell in found))
    oversized = tuple(
        CellRecord(
            "oversized", {}, seed, (2, 16, 16, 1), 337, {"value": 1e-4, "delta": 2e-4, "gamma": 1e-3}, {}, 9.0, None
        )
        for seed in range(3)
    )
    return StudyRecord(
        name="small",
        reference="A call, & <a basket>",
        seeds=(0, 1, 2),
        default=names[0],
        oversized=oversized,
        cells=tuple(found),
        factors=FACTORS,
        crossings=(
            CrossingRecord("fine-tuning", ("order", "labels"), (names[0], names[8], names[9], names[10])),
            CrossingRecord("alternatives", ("approach", "size"), tuple(names[:6])),
        ),
        seconds=123.0,
        config='name = "small"  # <few>\n',
        versions={"sobolev-pruning": "0.1.0"},
    )
