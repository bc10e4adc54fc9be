"""Make torchvision importable where its compiled operators are not.

torchvision wheels from PyPI are built against the CUDA build of torch. Beside a CPU build of
torch their ``_C`` library does not load, and ``import torchvision`` then fails with
``operator torchvision::nms does not exist``, because torchvision registers fake kernels for two
box operators that nobody has declared. No model here uses a box operator, so declaring their
schemas is all that is missing. Where the library loads, nothing is done.

Import this module before torchvision, everywhere.
"""

import importlib.util
from pathlib import Path

import torch

_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def _compiled_operators_load() -> bool:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    for library in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]  # torch ships it untyped
        except OSError:
            continue
        return True
    return False


def declare() -> tuple[str, ...]:
    """Declare the operators that are missing; return their names, empty where none are."""
    if _compiled_operators_load():
        return ()
    missing = [name for name in _SCHEMAS if not hasattr(torch.ops.torchvision, name)]
    for name in missing:
        torch.library.define(f"torchvision::{name}", _SCHEMAS[name])
    return tuple(missing)


DECLARED = declare()
"""The operators that this process had to declare; for the tests and for `doctor`."""
