"""The import law: data goes down the row of rooms and never up."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "sobolev_pruning"

MAY_IMPORT = {
    "_foundation": [],
    "storage": ["_foundation"],
    "drawing": ["_foundation"],
    "reference": ["_foundation"],
    "sampling": ["reference", "storage"],
    "activations": ["_foundation"],
    "surrogate": ["activations"],
    "training": ["sampling", "surrogate"],
    "enclosure": ["activations"],
    "scoring": ["sampling", "surrogate", "enclosure"],
    "pruning": ["scoring"],
    "evaluation": ["training", "pruning"],
    "certificates": ["scoring"],
    "constraining": ["training", "certificates"],
    "interchange": ["surrogate"],
    "exploring": ["enclosure", "interchange", "drawing"],
    "searching": ["evaluation"],
    "running": ["searching", "certificates", "exploring"],
    "studying": ["running"],
    "commands": ["studying"],
    "cli": ["commands"],
    "sklearn": ["searching"],
}
"""What each room's line names; it may also import what those may. The order is the row itself."""

OPTIONAL = {"diffrax", "lineax", "pyarrow", "h5py", "onnxruntime", "distributed", "sklearn"}
"""Packages of the optional extras, which code may import inside functions; `sklearn.py` is scikit-learn's own."""


def allowed(room: str) -> set[str]:
    named = MAY_IMPORT[room]
    return {room}.union(named, *(allowed(other) for other in named))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(tree: ast.AST, package: tuple[str, ...]):
    """Full dotted names of all that `tree`, a module inside `package`, imports anywhere, functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            yield from (".".join([*base, alias.name]) for alias in node.names)


def imported_rooms(source: str, package: tuple[str, ...]) -> set[str]:
    names = (name.split(".") for name in imported_modules(ast.parse(source), package))
    return {parts[1] for parts in names if parts[0] == "sobolev_pruning" and len(parts) > 1}


def package_of(path: Path) -> tuple[str, ...]:
    return ("sobolev_pruning", *path.relative_to(PACKAGE).parent.parts)


MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_its_line_allows(path):
    assert imported_rooms(path.read_text(), package_of(path)) <= allowed(room_of(path))


@pytest.mark.parametrize(
    "source",
    [
        "from ..training import fit",
        "from .. import training",
        "import sobolev_pruning.training.loop",
        "from sobolev_pruning.training import fit",
        "def late():\n    from ..training.losses import sobolev_loss",
    ],
)
def test_a_violation_is_seen_however_it_is_written(source):
    assert imported_rooms(source, ("sobolev_pruning", "enclosure")) == {"training"}
    assert "training" not in allowed("enclosure")


def test_no_circle_of_imports_exists_between_files():
    """Not even through imports inside functions: of two files one is understood without the other."""
    files = {".".join(("sobolev_pruning", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in MODULES}
    reached = {
        name: {_file_of(other, files) for other in imported_modules(ast.parse(path.read_text()), package_of(path))}
        for name, path in files.items()
    }
    assert _circle(reached) is None


def _file_of(name: str, files: dict[str, Path]) -> str | None:
    while name and name not in files and f"{name}.__init__" not in files:
        name = name.rpartition(".")[0]
    return name if name in files else f"{name}.__init__" if name else None


def _circle(reached: dict[str, set]) -> list[str] | None:
    """Names that lead to each other, found by taking away what leads nowhere until nothing goes any more."""
    left = dict(reached)
    while True:
        ends = [name for name in left if not (left[name] - {name}) & left.keys()]
        if not ends:
            return sorted(left) or None
        for name in ends:
            del left[name]


def test_a_circle_is_seen():
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == ["a", "b", "c"]
    assert _circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


def test_every_folder_is_a_room_of_the_law():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders <= set(MAY_IMPORT)


IMPORTED_AS = {"protobuf": "google"}


def test_everything_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {requirement.split(">")[0].replace("-", "_") for requirement in project["dependencies"]}
    declared = {IMPORTED_AS.get(name, name) for name in names} | OPTIONAL
    found = {
        name.split(".")[0]
        for path in MODULES
        for name in imported_modules(ast.parse(path.read_text()), package_of(path))
    }
    assert found - declared - set(sys.stdlib_module_names) - {"sobolev_pruning", "sobolev_pruning_command"} == set()


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_init_files_hold_only_re_exports(path):
    for number, node in enumerate(ast.parse(path.read_text()).body):
        if number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        assert isinstance(node, ast.ImportFrom), ast.unparse(node)
        assert all(alias.asname == alias.name for alias in node.names), ast.unparse(node)
