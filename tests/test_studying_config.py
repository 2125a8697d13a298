"""The configuration of a study: what it asks for, and one sentence for every mistake."""

from pathlib import Path

import pytest

from command_line import call
from sobolev_pruning import InputError
from sobolev_pruning.running import read_as, to_toml
from sobolev_pruning.scoring import METHODS
from sobolev_pruning.studying import StudyConfig
from sobolev_pruning.studying.cells import Cell, cells_of, default_cell, variations

EXAMPLE = Path(__file__).parent.parent / "examples" / "study_basket.toml"
GOOD = """\
name = "good"
seeds = [0, 7]

[oversized]
hidden = [8, 8]

[default]
criterion = "taylor"
size = [2, 4]

[factors]
fold = ["mean", "sobolev"]
criterion = ["taylor", "random"]

[crossings.sizes]
approach = ["pruning", "scratch"]
size = [[2, 4], [3, 0]]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(text)
    return path


def good(tmp_path: Path, text: str = GOOD) -> StudyConfig:
    return read_as(StudyConfig, written(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds = [0, 7]", "seeds = [7, 7]", r"seeds names a seed twice, .*: give each seed once"),
        ("seeds = [0, 7]", "seeds = []", r"line 2: seeds is \[\]"),
        ('criterion = "taylor"', 'criterion = "tailor"', r"line 8: default.criterion is 'tailor'; allowed are 'fold'"),
        ("size = [2, 4]\n", "", r"line 7: default.size is missing; add it"),
        ("[factors]\nfold", "[factors]\nfolds", r"factors.folds is not a known key; did you mean fold\?"),
        ("]\nsize = [[2", "]\nsizes = [[2", r"crossings.sizes.sizes is not a known key; did you mean size\?"),
        ("[3, 0]]", "[3, 9]]", r"crossings.sizes has the size \[3, 9\]; it must keep a node somewhere, .*: \[8, 8\]"),
        ("[3, 0]]", "[0, 0]]", r"crossings.sizes has the size \[0, 0\]; it must keep a node somewhere"),
        ("[3, 0]]", "[3]]", r"crossings.sizes names 1 layers in the size \[3\], .* has 2 hidden layers"),
        (
            'approach = ["pruning", "scratch"]\n',
            "",
            r"crossings.sizes lists fewer than two factors; .* use \[factors\]",
        ),
        ("[factors]", "[factors]\norder = [1, 2]", r"factors asks for order 2 on .* set finetuning.conditional = true"),
        ("size = [2, 4]\n", "size = [2, 4]\norder = 2\n", r"default asks for order 2 on labels that have no second"),
        (
            'criterion = "taylor"',
            'criterion = "fold"\nfold = "mean"',
            r'default.criterion "fold" chooses survivors .*: take the fold "sobolev"',
        ),
        (
            "[factors]",
            "[source]\nsmoothing = 0.1\n[finetuning]\nconditional = true\n[factors]",
            "two ways to smooth a payoff: choose one",
        ),
        ("[factors]", "[rounds.retraining]\norder = 2\n[factors]", r"rounds.retraining .* have a kink"),
    ],
)
def test_a_mistake_is_named_in_one_sentence(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(InputError, match=message) as error:
        good(tmp_path, GOOD.replace(old, new, 1))
    assert "\n" not in str(error.value)


def test_one_factor_changes_at_a_time_and_crossings_are_products(tmp_path):
    config = good(tmp_path)
    parts = {part.name: part for part in variations(config)}
    assert set(parts) == {"criterion", "fold", "sizes"}
    assert {cell.fold for cell in parts["fold"].cells} == {"mean", "sobolev"}
    assert {cell.criterion for cell in parts["fold"].cells} == {"taylor"}
    assert {(cell.approach, cell.size) for cell in parts["sizes"].cells} == {
        (approach, size) for approach in ("pruning", "scratch") for size in ((2, 4), (3, 0))
    }
    # The default, two other levels, and three other cells of the crossing; each once for every seed.
    cells = cells_of(config)
    assert len(cells) == len(set(cells)) == 2 * 6
    assert default_cell(config) in cells
    assert len({cell.name for cell in cells}) == len(cells)


def test_what_does_not_exist_is_left_out_and_what_means_nothing_is_no_other_cell(tmp_path):
    text = GOOD.replace('criterion = ["taylor", "random"]', 'criterion = ["taylor", "fold"]\norder = ["none", 1]')
    config = good(tmp_path, text).model_copy(update={"full": True})
    (full,) = variations(config)
    levels = {(cell.approach, cell.criterion, cell.fold, cell.order) for cell in full.cells}
    assert ("pruning", "fold", "sobolev", 1) in levels
    assert ("pruning", "fold", "mean", 1) not in levels  # survivors chosen for a fold that has none
    assert ("scratch", None, None, 1) in levels
    assert not [level for level in levels if level[0] == "scratch" and level != ("scratch", None, None, 1)]
    assert all(cell.labels is None for cell in full.cells if cell.order == "none")
    # Pruning: 3 pairs of criterion and fold, 2 orders, 2 sizes; from scratch: 2 sizes.
    assert len(full.cells) == 3 * 2 * 2 + 2


def test_labels_without_second_derivatives_take_no_part_in_order_2(tmp_path):
    text = GOOD.replace("[factors]", '[finetuning]\nconditional = true\n[factors]\nlabels = ["fixed"]')
    crossing = '[crossings.learning]\nlabels = ["teacher", "fixed", "reference"]\norder = [1, 2]\n'
    learning = variations(good(tmp_path, text + crossing))[-1]
    assert ("fixed", 1) in {(cell.labels, cell.order) for cell in learning.cells}
    assert {cell.labels for cell in learning.cells if cell.order == 2} == {"teacher", "reference"}


def test_a_configuration_survives_its_own_file_and_its_way_to_a_worker(tmp_path):
    config = read_as(StudyConfig, EXAMPLE)
    (tmp_path / "again.toml").write_text(to_toml(config))
    assert read_as(StudyConfig, tmp_path / "again.toml") == config
    assert StudyConfig.model_validate_json(config.model_dump_json()) == config


def test_the_example_asks_every_question():
    config = read_as(StudyConfig, EXAMPLE)
    cells = cells_of(config)
    for factor, levels in {
        "approach": {"pruning", "scratch", "scratch-restarts", "growing", "set", "rigl"},
        "criterion": {None, "fold", *METHODS},
        "fold": {None, "none", "midpoint", "mean", "least-squares", "sobolev"},
        "schedule": {None, "one-shot", "rounds"},
        "order": {"none", 0, 1, 2},
        "labels": {None, "teacher", "fixed", "reference"},
    }.items():
        assert {getattr(cell, factor) for cell in cells} == levels, factor
    assert len({cell.size for cell in cells}) >= 4
    assert len(config.seeds) >= 3


def test_a_name_is_fit_for_a_file():
    cell = Cell("pruning", "optimal-brain-surgeon", "least-squares", "one-shot", 2, "reference", (16, 0, 16), 2**32 - 1)
    assert cell.name == "pruning_optimal-brain-surgeon_least-squares_one-shot_order-2_reference_16x0x16_seed-4294967295"


def test_mistakes_on_the_command_line_get_one_sentence_and_status_2(capsys, tmp_path):
    path = written(tmp_path, GOOD)
    for arguments, message in (
        (("--workers", "0"), "There are 0 workers"),
        (("--scheduler", "tcp://nowhere:1", "--workers", "2"), "--scheduler has workers of its own; give one"),
    ):
        answer = call(capsys, "study", path, "--out", tmp_path / f"out-{len(arguments)}", *arguments)
        assert answer.status == 2
        assert message in answer.errors and "Traceback" not in answer.errors
