"""The rooms of the package and the walls between them: import-linter's contracts, and what it cannot hold."""

import ast
import copy
import re
import shutil
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.contracts.layers import LayersContract

from tests.support.places import ROOT
from tests.support.sources import PACKAGE, modules

CONFIGURATION = read_configuration(str(ROOT / "pyproject.toml"))
(FLOORS,) = [options for options in CONFIGURATION["contracts_options"] if options["type"] == "layers"]
# The rooms of each floor that exist, from the top to the ground.
ROOMS = [
    [room for room in re.findall(r"\w+", floor) if (PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").is_file()]
    for floor in FLOORS["layers"]
]
ROOMS = [rooms for rooms in ROOMS if rooms]
# Each room, and a room of the next floor above it, which it may not import.
UPWARD = [(room, above[0]) for above, below in pairwise(ROOMS) for room in below]


def module_of(room):
    """The name of a module in a room, or of the room itself if it is a module."""
    files = sorted(path.stem for path in (PACKAGE / room).glob("*.py") if path.stem != "__init__")
    return f"cds_service.{room}.{files[0]}" if files else f"cds_service.{room}"


def lint(folder):
    """Runs import-linter on the package in ``folder``, with the contracts there."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    environment = {"PYTHONPATH": str(folder), "PATH": ""}
    return subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def graph():
    """Which module imports which."""
    return grimp.build_graph("cds_service", include_external_packages=True)


def test_the_root_of_the_package_holds_only_what_every_room_shares():
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    assert modules == {"__init__", "__main__", "cli", "packaged", "prove", "settings"}


def test_every_contract_is_kept():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout
    assert f"{len(CONFIGURATION['contracts_options'])} kept, 0 broken" in done.stdout


def test_an_upward_import_in_a_file_breaks_the_contract(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "cds_service", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "cds_service" / "chart" / "person.py").open("a", encoding="utf-8") as file:
        file.write("\nimport cds_service.judge.evaluate\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert "cds_service.chart.person -> cds_service.judge.evaluate" in re.sub(r"\s+", " ", done.stdout)


def floors_are_kept(graph):
    contract = LayersContract(FLOORS["name"], CONFIGURATION["session_options"], FLOORS)
    return contract.check(copy.deepcopy(graph), verbose=False).kept


@pytest.mark.parametrize(("room", "above"), UPWARD, ids=lambda room: room)
def test_an_import_of_the_floor_above_breaks_the_contract(graph, room, above):
    planted = copy.deepcopy(graph)
    planted.add_import(importer=module_of(room), imported=module_of(above))
    assert floors_are_kept(graph)
    assert not floors_are_kept(planted)


def test_every_floor_but_the_top_is_tried():
    assert len(ROOMS) >= 14
    assert {room for room, _ in UPWARD} == {room for rooms in ROOMS[1:] for room in rooms}


def test_what_is_decided_depends_on_no_clock_and_no_environment():
    """import-linter forbids the modules time and os there; datetime is imported for its types."""
    deciding = {
        path: tree
        for path, tree in modules().items()
        if path.startswith(("judge/", "chart/")) or path == "content/decide.py"
    }
    assert len(deciding) > 15
    calls = [
        f"{path}:{node.lineno}: {node.func.attr}"
        for path, tree in deciding.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in ("now", "utcnow", "today")
    ]
    assert calls == []


def test_a_file_has_its_name_alone():
    """Only a verb of the command line may share its name with the module that does the work."""
    names = Counter(path.name for path in PACKAGE.rglob("*.py") if path.parent.name != "commands")
    del names["__init__.py"]
    assert [name for name, count in names.items() if count > 1] == []


def test_a_class_has_its_name_alone():
    names = Counter(node.name for tree in modules().values() for node in tree.body if isinstance(node, ast.ClassDef))
    assert [name for name, count in names.items() if count > 1] == []
