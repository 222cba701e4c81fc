"""The page of classes and functions: their docstrings, read from the source without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tools.documentation_site.docstrings import as_markdown

PACKAGES = ("datalist", "transforms", "data", "networks", "metrics")
"""The packages below ``monai_fusion`` whose public names (``__all__``) the page describes."""

_WIDTH = 100
_HEAD = """# Python

Use this page when you want to look up a class or a function: to write a pipeline of your own, or a transform, network
or head that takes the place of a shipped one. It is made from the docstrings of what these packages export.
[Use from Python](../from_python.md) shows how to train and evaluate with MONAI's `create_workflow`, which is all that
most programs need.
"""
_Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class _Found:
    """Where a public name is defined: the statement, its docstring, and the classes of the same module."""

    node: _Definition
    docstring: str
    beside: dict[str, ast.ClassDef] = field(default_factory=dict)


def api_page(root: Path) -> str:
    """Return the page, Markdown.

    Args:
        root: The repository.

    Raises:
        LookupError: A name of ``__all__`` is not defined where it is imported from.
    """
    parts = [_HEAD]
    for package in PACKAGES:
        source = _file_of(root, f"monai_fusion.{package}")
        tree = ast.parse(source.read_text(encoding="utf-8"))
        parts.append(f"## monai_fusion.{package}\n\n{as_markdown(ast.get_docstring(tree) or '')}\n")
        for name, module in _exports(tree).items():
            parts.extend(_described(name, _definition(root, module, name)))
    return "\n".join(parts)


def _file_of(root: Path, module: str) -> Path:
    """The file of a module; ``transforms`` stands at the top of the repository."""
    inside = module.split(".")
    if inside[:2] == ["monai_fusion", "transforms"]:
        inside = inside[1:]
    path = root.joinpath(*inside)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _exports(tree: ast.Module) -> dict[str, str]:
    """The names of ``__all__``, each with the module that it is imported from."""
    sources = {
        alias.name: node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return {name: sources[name] for name in ast.literal_eval(node.value)}
    raise LookupError("__all__")


def _definition(root: Path, module: str, name: str) -> _Found:
    body = ast.parse(_file_of(root, module).read_text(encoding="utf-8")).body
    for node, behind in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            bases = {each.name: each for each in body if isinstance(each, ast.ClassDef)}
            return _Found(node, ast.get_docstring(node) or "", bases)
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if ast.unparse(target) == name:
                match behind:
                    case ast.Expr(value=ast.Constant(value=text)):
                        return _Found(node, str(text))
                return _Found(node, "")
    raise LookupError(f"{module}.{name}")


def _described(name: str, found: _Found) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"```python\n{_signature(found.node, found.beside)}\n```\n"
    yield f"{as_markdown(found.docstring)}\n"
    if isinstance(found.node, ast.ClassDef):
        for method in found.node.body:
            text = ast.get_docstring(method) if isinstance(method, ast.FunctionDef) else None
            if isinstance(method, ast.FunctionDef) and text and not method.name.startswith("_"):
                yield f"#### {name}.{method.name}\n"
                yield f"```python\n{_signature(method)}\n```\n"
                yield f"{as_markdown(text)}\n"


def _signature(node: _Definition, beside: Mapping[str, ast.ClassDef] = MappingProxyType({})) -> str:
    if isinstance(node, ast.ClassDef):
        return _class_signature(node, beside)
    if isinstance(node, ast.FunctionDef):
        marks = "".join(f"@{mark}\n" for mark in map(ast.unparse, node.decorator_list) if mark in _MARKS)
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return f"{marks}def {_call(node.name, _parameters(node))}{returns}"
    return ast.unparse(node)


_MARKS = ("property", "classmethod", "staticmethod", "abstractmethod")


def _class_signature(node: ast.ClassDef, beside: Mapping[str, ast.ClassDef]) -> str:
    made = next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)
    if made is not None:
        return f"class {_call(node.name, _parameters(made))}"
    base = next((beside[name] for name in map(ast.unparse, node.bases) if name in beside), None)
    if base is not None:  # it is made as its base is
        return _class_signature(base, beside).replace(f"class {base.name}(", f"class {node.name}(", 1)
    decorated = any("dataclass" in ast.unparse(each) for each in node.decorator_list)
    is_record = decorated or any(ast.unparse(base) in ("NamedTuple", "TypedDict") for base in node.bases)
    fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and not _is_of_the_class(each)]
    return f"class {_call(node.name, list(map(ast.unparse, fields)) if is_record else [])}"


def _is_of_the_class(field: ast.AnnAssign) -> bool:
    return "ClassVar" in ast.unparse(field.annotation) or ast.unparse(field.target).startswith("_")


def _parameters(node: ast.FunctionDef) -> list[str]:
    """The parameters without ``self``; commas within them do not separate."""
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    shown = [_parameter(each, default) for each, default in zip(plain, defaults, strict=True)]
    if plain and plain[0].arg in ("self", "cls"):
        shown = shown[1:]
    if arguments.vararg or arguments.kwonlyargs:
        shown.append(f"*{ast.unparse(arguments.vararg) if arguments.vararg else ''}")
    shown += [_parameter(*pair) for pair in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return shown + ([f"**{ast.unparse(arguments.kwarg)}"] if arguments.kwarg else [])


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    return ast.unparse(argument) + (f" = {ast.unparse(default)}" if default is not None else "")


def _call(name: str, parameters: list[str]) -> str:
    """A call on one line, or with a line for each parameter."""
    line = f"{name}({', '.join(parameters)})"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {each}," for each in parameters), ")"])
