"""The committed table of each transform's version and code; ``python tests/transforms/code_versions.py`` records it.

The preprocessed store keys its entries by the transforms' versions, so code that gives other numbers under an old
version would be served stale results. The table makes that impossible to overlook: changed code fails a test until
either the version is raised or a developer states, with ``--same-numbers NAME``, that no number changes.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import io
import json
import sys
import tokenize
from pathlib import Path

import monai_fusion
import monai_fusion.transforms as package

TABLE = Path(__file__).with_suffix(".json")
SOURCES = {"monai_fusion.transforms": Path(inspect.getfile(package)).parent}  # which stands beside the others
OTHERS = Path(inspect.getfile(monai_fusion)).parent
PREFIX = "monai_fusion.transforms."
# What else computes numbers, or decides which bytes are numbers: the rest is messages, keys and file handling.
NUMERIC = (PREFIX, "monai_fusion.file_formats.", "monai_fusion.npy_header", "monai_fusion.percentile_selection")
FUSED = ("LoadVolumed", "ScaleIntensityPercentilesd", "ResampleSlabd")  # computed by standard_chain.py as well


def classes() -> dict[str, type]:
    """The transforms of the package by name."""
    return {name: member for name in package.__all__ if inspect.isclass(member := getattr(package, name))}


def code_of(name: str) -> str:
    """A hash of everything in the package that computes a transform's numbers, without comments and docstrings."""
    modules = {classes()[name].__module__} | ({f"{PREFIX}standard_chain"} if name in FUSED else set())
    waiting = list(modules)
    while waiting:
        for imported in _imported(path_of(waiting.pop())) - modules:
            modules.add(imported)
            waiting.append(imported)
    text = "\n".join(code_alone(path_of(module).read_text("utf-8")) for module in sorted(modules))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def path_of(module: str) -> Path:
    """Where a module's source stands."""
    package_, _, name = module.rpartition(".")
    folder = SOURCES.get(package_) or OTHERS.joinpath(*package_.split(".")[1:])
    return folder / f"{name}.py"


def code_alone(source: str) -> str:
    """Source without comments, docstrings, blank lines and trailing blanks, identical in every Python version."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0] - 1] = lines[token.start[0] - 1][: token.start[1]]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            documentation = node.body[0]
            for number in range(documentation.lineno, (documentation.end_lineno or 0) + 1):
                lines[number - 1] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())


def current() -> dict[str, dict[str, object]]:
    """The table as the code is now."""
    return {name: {"version": cls.__dict__["version"], "code": code_of(name)} for name, cls in classes().items()}


def recorded() -> dict[str, dict[str, object]]:
    """The table as it was committed."""
    table: dict[str, dict[str, object]] = json.loads(TABLE.read_text("utf-8"))
    return table


def _imported(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name for name in names if name.startswith(NUMERIC)}


def main(arguments: list[str]) -> int:
    """Record the table; refuses code that changed under its old version."""
    same_numbers = set(arguments[1:]) if arguments[:1] == ["--same-numbers"] else set()
    before = recorded() if TABLE.exists() else {}
    now = current()
    unraised = [
        name
        for name, entry in now.items()
        if name in before and before[name] != entry and before[name]["version"] == entry["version"]
    ]
    if missed := sorted(set(unraised) - same_numbers):
        print(f"changed without its version: {', '.join(missed)}; raise it, or state --same-numbers NAME ...")
        return 1
    TABLE.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
