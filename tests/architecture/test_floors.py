"""Imports go downwards only, lazy ones inside functions included; what must do without torch does."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dampen

SRC = Path(dampen.__file__).parent
FLOORS = {
    **dict.fromkeys(("contracts", "vocabulary", "randomness", "philox", "kernels", "errors", "reference"), 0),
    **dict.fromkeys(("tensors", "modules", "images", "writing", "history", "records", "words"), 0),
    **dict.fromkeys(("techniques", "data", "models", "optimizers"), 1),
    **dict.fromkeys(("recipe", "presets", "settings", "recipe_file", "as_python"), 2),
    "training": 3,
    **dict.fromkeys(("evidence", "laws", "worlds"), 4),
    **dict.fromkeys(("prediction", "augmenting"), 4),
    **dict.fromkeys(("study", "cards", "summaries"), 5),
    "diagnosis": 6,
    "reporting": 7,
    **dict.fromkeys(("integrations", "cli"), 8),
}
ROOT_NAMES = {"__version__"}
"""What rooms may take from the root package, whose other names are lazy and stand above every floor."""

FILES = sorted(SRC.rglob("*.py"))
ROOM_FILES = [path for path in FILES if path != SRC / "__init__.py"]


def dotted(path):
    parts = ("dampen", *path.relative_to(SRC).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def imported(path):
    """Absolute names of everything a file imports, wherever in the file: ("dampen.recipe", "Recipe")."""
    package = dotted(path) if path.name == "__init__.py" else dotted(path)[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)


def rooms_of(path):
    """Rooms of the house that a file imports, or "dampen.NAME" for a lazy name of the root package."""
    for module, name in imported(path):
        first, _, rest = module.partition(".")
        if first != "dampen":
            continue
        if rest:
            yield rest.partition(".")[0]
        elif name in FLOORS:
            yield name
        elif name not in ROOT_NAMES:
            yield f"dampen.{name}"


def foreign(path):
    """Packages from outside the house and the standard library."""
    tops = {module.partition(".")[0] for module, _ in imported(path)}
    return tops - {"dampen", "__future__"} - sys.stdlib_module_names


def name_of(path):
    return str(path.relative_to(SRC))


def loaded_after(code):
    """The top packages in sys.modules of a fresh process that ran `code`."""
    code += "\nimport sys; print('loaded:', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded:")[2].split())


# ------------------------------------------------------------------ the floors


@pytest.mark.parametrize("path", ROOM_FILES, ids=name_of)
def test_a_file_imports_from_its_own_floor_or_below(path):
    own = dotted(path)[1]
    assert own in FLOORS, f"{own} has no floor yet; give it one here"

    upwards = {room for room in rooms_of(path) if FLOORS.get(room, 99) > FLOORS[own]}

    assert not upwards, f"{name_of(path)} on floor {FLOORS[own]} imports {sorted(upwards)}"


def test_the_root_package_imports_no_room_when_it_is_imported():
    top_level = ast.Module(ast.parse((SRC / "__init__.py").read_text()).body, [])

    rooms = [n for n in ast.walk(top_level) if isinstance(n, ast.ImportFrom) and n.level]

    assert rooms == []


def test_the_walk_over_imports_sees_lazy_absolute_and_relative_ones(tmp_path):
    """The checks above prove something only if `imported` finds every kind of import."""
    lazy = set(rooms_of(SRC / "cli" / "compare.py"))
    absolute = set(rooms_of(SRC / "evidence" / "__init__.py"))

    assert {"study", "data", "models", "presets", "cli"} <= lazy
    assert "evidence" in absolute
    assert {"contracts", "training"} <= set(rooms_of(SRC / "training" / "step.py"))
    assert set(rooms_of(SRC / "study" / "comparison.py")) == {"errors", "evidence", "history", "records"}


# ------------------------------------------------------------------ rooms with rules of their own


@pytest.mark.parametrize("path", sorted((SRC / "techniques").rglob("[!_]*.py")), ids=name_of)
def test_a_technique_imports_only_the_ground_floor_and_no_other_technique(path):
    assert set(rooms_of(path)) <= {"contracts", "errors", "randomness", "tensors", "images", "modules"}


@pytest.mark.parametrize("path", sorted((SRC / "reference").rglob("*.py")), ids=name_of)
def test_the_definitions_are_numpy_and_nothing_else(path):
    assert foreign(path) <= {"numpy"}
    assert set(rooms_of(path)) <= {"reference"}


@pytest.mark.parametrize("path", sorted((SRC / "evidence").rglob("*.py")), ids=name_of)
def test_evidence_is_numpy_and_nothing_else(path):
    assert foreign(path) <= {"numpy", "scipy"}


def test_parts_never_import_the_presets():
    users = [name_of(path) for path in ROOM_FILES if "presets" in set(rooms_of(path)) and FLOORS[dotted(path)[1]] < 3]

    assert users == []


@pytest.mark.parametrize(
    "code",
    [
        "import dampen, dampen.contracts, dampen.errors, dampen.reference, dampen.evidence; dir(dampen)",
        "import sys; sys.argv = ['dampen', '--help']\nfrom dampen.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    sys.exit(end.code) if end.code else None",
        "import sys; sys.argv = ['dampen', 'compare', '--help']\nfrom dampen.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    sys.exit(end.code) if end.code else None",
        "import sys; sys.argv = ['dampen', 'augment', '--help']\nfrom dampen.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    sys.exit(end.code) if end.code else None",
    ],
    ids=["import", "help", "compare-help", "augment-help"],
)
def test_this_loads_no_torch(code):
    loaded = loaded_after(code)

    assert not {"torch", "sklearn", "scipy"} & loaded
    assert "dampen" in loaded


def test_the_list_of_loaded_packages_would_show_torch():
    assert "torch" in loaded_after("import dampen; dampen.Dropout")
