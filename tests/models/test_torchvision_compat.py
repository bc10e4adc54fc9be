"""torchvision beside a CPU build of torch."""

import subprocess
import sys

import torch

from models import torchvision_compat


def test_declare_twice_declares_nothing_more() -> None:
    assert torchvision_compat.declare() == ()


def test_declared_operators_exist() -> None:
    for name in torchvision_compat.DECLARED:
        assert hasattr(torch.ops.torchvision, name)


def test_torchvision_imports_after_it_in_a_fresh_process() -> None:
    program = (
        "import models.torchvision_compat\n"
        "from torchvision.models import mobilenet_v2\n"
        "print(len(mobilenet_v2().features))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )

    assert done.stdout.strip() == "19"
