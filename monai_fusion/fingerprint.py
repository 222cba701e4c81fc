"""Content hashes: of a file's bytes and of a chain of deterministic transforms.

Two results of preprocessing are the same if the bytes of the source file, the transforms with their parameters, the
code of the transforms and the libraries under them are the same. Nothing else (paths, labels, splits, worker counts)
counts.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence
from enum import Enum
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath
from types import CodeType
from typing import Any, cast

import numpy as np
import xxhash

# The libraries whose version may change what the standard transforms compute.
NUMERIC_LIBRARIES = ("numpy", "scipy", "nibabel", "torch", "monai")
_READ_BYTES = 1 << 20


def content_hash(path: str | os.PathLike[str]) -> str:
    """Return the xxh3-128 hash of a file's bytes as 32 hexadecimal digits.

    Not cryptographic: it finds changed and equal files, it does not resist forgery.

    Raises:
        OSError: The file cannot be read.
    """
    digest = xxhash.xxh3_128()
    with Path(path).open("rb") as stream:
        while chunk := stream.read(_READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def digest_of(description: object) -> str:
    """Return 32 hexadecimal digits that identify a description made of JSON's types."""
    text = json.dumps(description, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return xxhash.xxh3_128_hexdigest(text.encode())


def describe_chain(transforms: Iterable[object]) -> dict[str, Any]:
    """Describe what a chain of deterministic transforms computes, in JSON's types.

    Args:
        transforms: Transform objects in the order in which they run.

    Returns:
        ``{"transforms": [...], "libraries": {name: version}}``: for each transform its class, the version of its code
        and its parameters. Its :func:`digest_of` changes when any of them does.
    """
    return {
        "transforms": [_describe_object(transform) for transform in transforms],
        "libraries": {name: _library_version(name) for name in NUMERIC_LIBRARIES},
    }


def _describe_object(value: object) -> dict[str, Any]:
    state = vars(value) if hasattr(value, "__dict__") else {}
    return {
        "class": f"{type(value).__module__}.{type(value).__qualname__}",
        "code": _code_version(cast(Hashable, type(value))),
        # What a generator will draw is no parameter: each draw is seeded. MONAI's transforms get theirs when they are
        # composed, so that even having one means nothing.
        "parameters": {name: _canonical(state[name]) for name in sorted(state) if not _draws(state[name])},
    }


def _draws(value: object) -> bool:
    return isinstance(value, np.random.RandomState | np.random.Generator)


def _canonical(value: object) -> Any:
    """Reduce a parameter to JSON's types, equal for equal parameters in every process and on every platform."""
    if isinstance(value, Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if _draws(value):
        return "random"
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, Mapping):
        return {str(key): _canonical(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, set | frozenset):
        return sorted((_canonical(item) for item in value), key=str)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_canonical(item) for item in value]
    if isinstance(value, type) or inspect.isroutine(value):  # NumPy's types are no arrays, though they have __array__
        return {"name": f"{value.__module__}.{value.__qualname__}", "code": _code_version(value)}
    if hasattr(value, "__array__"):
        array = np.ascontiguousarray(value)
        if array.dtype.hasobject:  # its bytes are addresses, others in each process
            return {"array": [_canonical(item) for item in array.ravel().tolist()], "shape": array.shape}
        return {"array": hashlib.sha256(array.tobytes()).hexdigest(), "shape": array.shape, "dtype": str(array.dtype)}
    if hasattr(value, "__dict__"):
        return _describe_object(value)
    return repr(value)


@cache
def _code_version(code: Hashable) -> str | int:
    """Version of a class or function: its own ``version``, its library's, or the hash of its source.

    The source is the fallback for what users insert into the chain: they need not know about versions. It includes what
    the code refers to in its own module and the modules beside it: base classes, functions, constants.
    """
    own_version = getattr(code, "version", None)
    if isinstance(own_version, int):
        return own_version
    library = _library_of(code)
    if library in NUMERIC_LIBRARIES or library in ("builtins", "functools", "collections"):
        return f"{library} {_library_version(library)}"
    pieces: dict[object, str] = {}
    _collect_sources(code, pieces)
    if not pieces:
        return f"{library} {_library_version(library)}"
    return hashlib.sha256("\n".join(sorted(pieces.values())).encode()).hexdigest()[:16]


def _library_of(code: object) -> str:
    return (getattr(code, "__module__", None) or "builtins").partition(".")[0]


def _collect_sources(code: object, pieces: dict[object, str]) -> None:
    """Add the source of a user's class or function, and of what it refers to by name, under the object itself."""
    library = _library_of(code)
    if code in pieces or library in sys.stdlib_module_names:
        return
    try:
        installed = {"site-packages", "dist-packages"}.intersection(Path(inspect.getfile(cast(Any, code))).parts)
        pieces[code] = f"{library} {_library_version(library)}" if installed else inspect.getsource(cast(Any, code))
    except (OSError, TypeError):
        return
    if installed:
        return
    if isinstance(code, type):
        for base in code.__mro__[1:]:
            _collect_sources(base, pieces)
        functions = [inspect.unwrap(member) for member in vars(code).values() if inspect.isfunction(member)]
    else:
        functions = [code] if inspect.isfunction(code) else []
    for function in functions:
        for name in sorted(_names_in(function.__code__)):
            value = function.__globals__.get(name)
            if isinstance(value, type) or inspect.isfunction(value):
                _collect_sources(value, pieces)
            elif isinstance(value, bool | int | float | str | tuple):
                pieces[name, repr(value)] = f"{name} = {value!r}"


def _names_in(code: CodeType) -> set[str]:
    """Return the names that a function uses, those of functions within it included."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*(_names_in(constant) for constant in inner))


@cache
def _library_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
