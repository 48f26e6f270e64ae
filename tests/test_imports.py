"""Imports point one way, slow libraries stay where they belong, and files stay short enough to read."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sdpa_exp.conf_dir import conf_dir

PACKAGE = Path(__file__).parents[1] / "sdpa_exp"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 300

# The arrows of the layout; what a package may import is what can be reached along them. Everyone may import errors.
ARROWS = {
    "errors": (),
    "conf_dir": (),  # standard library only
    "text_report": (),
    "attention": ("conf_dir",),
    "injection": ("attention", "measure"),
    "measure": (),
    "evidence": ("injection", "text_report"),
    "runs": (),
    "config": ("runs", "conf_dir"),
    "accuracy": ("runs",),
    "callbacks": ("evidence", "runs", "accuracy"),
    "data": ("runs", "config"),
    "telemetry": ("runs", "config"),
    "tracking": ("runs", "config"),
    "compare": ("runs", "config", "accuracy"),
    # telemetry: bench reads the energy counter at the edges of one arm's block, which sampling from outside can't.
    "tasks": ("callbacks", "data", "compare", "config", "measure", "telemetry", "tracking"),
    "interruption": (),
    "search": ("runs", "config"),
    "launch": ("tasks", "telemetry", "tracking", "interruption", "search"),
    "help": ("conf_dir", "config"),
    "json_output": ("runs",),
    "entry": ("launch", "interruption", "json_output"),
    "__main__": ("entry", "help"),
    "__init__": ("evidence", "injection"),
}
# Library -> where it may be imported at all.
PLACES = {
    "hydra": ("__main__", "entry", "config", "search"),
    "omegaconf": ("__main__", "entry", "config", "search"),
    # launch/worker_setup: settings of the worker; tracking/served_model: runs where a model is served, not here.
    "ultralytics": ("injection", "callbacks", "data", "tasks", "launch/worker_setup", "tracking/served_model"),
    "mlflow": ("tracking",),
    "pynvml": ("telemetry/nvml",),
}
# What the worker reads without Hydra.
PLAIN_CONFIG = (
    "__init__", "plan", "schema", "task", "train_schema", "baseline", "refusing", "attentions", "validate",
    "mlflow_source",
    "credentials",
    "datasets",
)  # fmt: skip
# Packages that may import torch at their top; the others only inside a function that runs in the worker.
WITH_TORCH = ("attention", "injection", "measure", "evidence", "callbacks", "data", "tasks")


@dataclass(frozen=True, kw_only=True)
class Import:
    module: str
    line: int
    is_at_top: bool


def test_every_package_is_on_the_map() -> None:
    assert {_part(file) for file in FILES} <= set(ARROWS)


def test_imports_point_one_way() -> None:
    wrong = [
        f"{place} imports {found.module}"
        for file, place, found in ALL_IMPORTS
        if found.module.startswith("sdpa_exp.")
        and found.module.split(".")[1] not in {_part(file), "errors", "__version__", *_reachable(_part(file))}
    ]
    assert not wrong, "\n".join(wrong)


def test_slow_libraries_stay_in_their_places() -> None:
    wrong = []
    plain = [f"config/{name}" for name in PLAIN_CONFIG]
    for file, place, found in ALL_IMPORTS:
        library, module = found.module.split(".")[0], place.partition(".")[0]
        if library in PLACES and not place.startswith(PLACES[library]):
            wrong.append(f"{place} imports {found.module}")
        if library in ("hydra", "omegaconf") and module in plain:
            wrong.append(f"{place} imports {found.module}, and the worker reads it")
        if library in ("torch", "torchvision") and found.is_at_top and _part(file) not in WITH_TORCH:
            wrong.append(f"{place} imports {found.module} at its top")
    assert not wrong, "\n".join(wrong)


def test_no_file_is_longer_than_one_idea() -> None:
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    wrong = [f"{file.relative_to(PACKAGE)}: {length} lines" for file, length in lengths.items() if length > MAX_LINES]
    assert not wrong, "\n".join(wrong)


def test_no_file_is_called_utils() -> None:
    assert [file for file in FILES if file.stem in ("utils", "util", "helpers", "misc", "common")] == []


def test_every_class_that_a_config_file_names_is_there_and_nothing_heavy_comes_with_it() -> None:
    named = {
        file: re.findall(r"^ *_target_: *([\w.]+)", file.read_text(encoding="utf-8"), re.M)
        for file in conf_dir().rglob("*.yaml")
        if "hydra" not in file.parts  # its plugins
    }
    for file, targets in named.items():
        assert len(targets) == (file.parent.name == "task" or file.stem == "config"), file
    targets = [target.rpartition(".") for (target,) in filter(None, named.values())]
    assert {".".join(place.split(".")[:2]) for place, _, _ in targets} == {"sdpa_exp.tasks", "sdpa_exp.entry"}
    lines = "; ".join(f"from {place} import {name}" for place, _, name in targets)
    code = f"import sys; {lines}; print({{'torch', 'ultralytics', 'mlflow'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "set()", done.stderr


def test_the_checks_see_imports_inside_functions_and_of_submodules(tmp_path: Path) -> None:
    source = "from sdpa_exp import errors\nfrom sdpa_exp.launch import launch\ndef f():\n    import torch.nn\n"
    (tmp_path / "one.py").write_text(source, encoding="utf-8")
    found = {(each.module, each.is_at_top) for each in _imports(tmp_path / "one.py")}
    assert ("sdpa_exp.errors", True) in found
    assert ("sdpa_exp.launch.launch", True) in found
    assert ("torch.nn", False) in found


def _imports(file: Path) -> Iterator[Import]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    at_top = {id(node) for node in _outside_functions(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif not isinstance(node, ast.ImportFrom):
            continue
        else:
            assert node.level == 0, f"{file.name}:{node.lineno}: relative imports hide the direction"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            yield Import(module=name, line=node.lineno, is_at_top=id(node) in at_top)


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes that run at import: not below a function, not below `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _outside_functions(child)


def _part(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


@cache
def _reachable(part: str) -> frozenset[str]:
    return frozenset({*ARROWS[part], *(far for near in ARROWS[part] for far in _reachable(near))})


ALL_IMPORTS = [
    (file, f"{file.relative_to(PACKAGE).as_posix()}:{found.line}", found) for file in FILES for found in _imports(file)
]
