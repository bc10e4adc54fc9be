"""Finds places that read or write text in whichever encoding the machine happens to have."""

import ast
from collections.abc import Iterator

_TEXT_OF_PATHS = {"read_text": 0, "write_text": 1}
"""Methods of a path, with the place of ``encoding`` among the arguments."""

_OPENERS = {"open", "fdopen", "NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile"}
_MODES = frozenset("rwaxbt+")
_PIPES = {"text", "universal_newlines"}


def unsaid(source: str) -> Iterator[ast.Call]:
    """Yield the calls that open text without an encoding: files, paths, pipes of other programs.

    Of ``something.open(…)`` only those whose mode, or else lack of arguments, says that it is a
    path: an image or a seal is opened too.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _is_unsaid(node):
            yield node


def _is_unsaid(call: ast.Call) -> bool:
    given = {keyword.arg for keyword in call.keywords}
    if "encoding" in given or None in given:
        return False
    if any(keyword.arg in _PIPES and _is_true(keyword.value) for keyword in call.keywords):
        return True
    name = _name(call)
    if name in _TEXT_OF_PATHS:
        return len(call.args) <= _TEXT_OF_PATHS[name]
    return name in _OPENERS and _is_text(call, name)


def _is_true(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


def _name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _is_text(call: ast.Call, name: str) -> bool:
    is_method = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) not in {
        "os",
        "io",
        "gzip",
        "tempfile",
    }
    place = 0 if is_method or "Temporary" in name else 1
    modes = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    mode = next(iter([*modes, *call.args[place : place + 1]]), None)
    if mode is None:
        return "Temporary" not in name and not (is_method and call.args)
    if not (isinstance(mode, ast.Constant) and isinstance(mode.value, str)):
        return False
    return bool(mode.value) and set(mode.value) <= _MODES and "b" not in mode.value
