"""Finds every piece of advice that the code of the datalist can print: what `test_every_advice` has to follow.

A piece is a text of the code that tells the user to do something: an option (``--loose-ids``), ``rename``, ``delete``,
``did you mean``, ``is missing after this`` ... In an f-string, ``{}`` is what is filled in. Documentation, help
and patterns are none. A call of ``did_you_mean`` is a piece for itself, as each has its own candidates.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import monai_fusion

PACKAGE = Path(monai_fusion.__file__).parent
SOURCES = (
    *sorted((PACKAGE / "datalist").rglob("*.py")),
    PACKAGE / "spelling.py",
    PACKAGE / "wording.py",
    PACKAGE / "cli/check_report.py",
    PACKAGE / "cli/datalist.py",
    PACKAGE / "cli/datalist_changes.py",
    PACKAGE / "cli/datalist_check.py",
    PACKAGE / "cli/looking_into_files.py",
    PACKAGE / "cli/new_participants.py",
    *sorted((PACKAGE / "file_formats").glob("*.py")),  # of `check --deep`
    PACKAGE / "contrast.py",
)
_TELLS_TO_DO = re.compile(
    r"(?<![\w-])--[a-z]|did you mean|(?:is|are) missing|no closing|must be written|writes|no condition|"
    r"too (?:many|early)|"
    r"trailing comma|extra (?:comma|closing)|JSON needs|needs? double quotes|expected here|not allowed here|"
    r"\b(?:rename|delete|write|save|choose|prefer|add|move|leave|convert|keep|correct|name (?:it|one|their)|give|"
    r"ask for|use|say|set|put|fetch|download|copy|unpack|close|insert|replace|merge|find out|make|let|look|check|open|"
    r"format|crop|pad|separate|remove|select|point)\b",
    re.IGNORECASE,
)
_NOT_SHOWN = ("help", "metavar", "show_default", "description", "title", "pattern", "context_settings")


def pieces() -> dict[str, str]:
    """Every piece of advice with its place."""
    found: dict[str, str] = {}
    for path in SOURCES:
        text_of_file = path.read_text(encoding="utf-8")
        nodes = list(ast.walk(ast.parse(text_of_file)))
        place = path.relative_to(PACKAGE).with_suffix("").as_posix()
        for line, text in _texts(nodes):
            if " " in text.strip() and _TELLS_TO_DO.search(text):
                found.setdefault(text, f"{place}:{line}")
        for function in nodes if "did_you_mean(" in text_of_file else ():
            if isinstance(function, ast.FunctionDef) and function.name != "did_you_mean":
                for call in ast.walk(function):
                    if (
                        isinstance(call, ast.Call)
                        and isinstance(call.func, ast.Name)
                        and call.func.id == "did_you_mean"
                    ):
                        found.setdefault(f"did_you_mean in {place}.{function.name}", f"{place}:{call.lineno}")
    return found


def pattern_of(piece: str) -> re.Pattern[str]:
    """What matches the piece where it is printed."""
    if piece.startswith("did_you_mean in "):
        return re.compile(r"did you mean")
    return re.compile(".*?".join(map(re.escape, piece.split("{}"))))


def _texts(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    hidden = set()
    for node in nodes:
        match node:
            case ast.Expr(value=ast.Constant()):  # documentation
                hidden.add(id(node.value))
            case ast.keyword(arg=name) if name in _NOT_SHOWN:
                hidden.update(map(id, ast.walk(node.value)))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re")) | ast.Name(id="Option")):
                hidden.update(map(id, ast.walk(node)))
            case ast.JoinedStr(values=values):
                hidden.update(id(value) for value in values if isinstance(value, ast.Constant))
    for node in nodes:
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield node.lineno, "".join(map(str, parts))
