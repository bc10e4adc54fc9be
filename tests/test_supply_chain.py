"""No code comes in as data: weights are safetensors, and nothing unpickles."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench import sbom
from tests.test_house_rules import ROOT, repository

UNPICKLERS = frozenset({
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal",
})  # fmt: skip
PICKLE_FILES = frozenset({
    ".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".npy", ".npz", ".bin", ".dill",
})  # fmt: skip

# the worker and its own shadow child, over a socket pair that nobody else holds
EXPLAINED = {"worker/shadow_process.py", "worker/shadow_reader.py"}
"""See docs/supply-chain.md."""


def sources() -> Iterator[tuple[str, ast.AST]]:
    for file in repository("*.py"):
        yield str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def pickles(tree: ast.AST) -> bool:
    """Tell whether something of multiprocessing is used: its pipes, queues and pools pickle."""
    pools = {"concurrent.futures.ProcessPoolExecutor", "concurrent.futures.process"}
    return any(m.split(".")[0] == "multiprocessing" or m in pools for m in imported(tree))


def calls(tree: ast.AST) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield each call by its dotted name, with the constants among its keywords."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            keywords: dict[str, object] = {
                k.arg: k.value.value
                for k in node.keywords
                if k.arg and isinstance(k.value, ast.Constant)
            }
            yield ast.unparse(node.func), keywords


def test_nothing_imports_what_unpickles() -> None:
    found = {
        (f, m) for f, tree in sources() for m in imported(tree) if m.split(".")[0] in UNPICKLERS
    }
    assert found == set()


def test_pipes_that_pickle_are_the_explained_ones() -> None:
    found = {file for file, tree in sources() if pickles(tree) and not file.startswith("tests/")}
    assert found == EXPLAINED


@pytest.mark.parametrize(
    "line",
    [
        "import multiprocessing.connection",
        "from multiprocessing import connection",
        "from multiprocessing.connection import Client",
        "from concurrent.futures import ProcessPoolExecutor",
    ],
)
def test_each_way_to_a_pipe_is_seen(line: str) -> None:
    assert pickles(ast.parse(line))


def test_loaders_that_could_unpickle_are_told_not_to() -> None:
    """torch.load must say so; numpy.load does not unless it is told to, yaml.load always may."""
    for file, tree in sources():
        for name, keywords in calls(tree):
            assert name != "torch.load" or keywords.get("weights_only") is True, file
            assert keywords.get("allow_pickle", False) is False, file
            assert name not in {"yaml.load", "yaml.unsafe_load"}, file


def test_node_and_worker_save_and_load_no_tensors_but_safetensors() -> None:
    served = ("dicom_node/", "worker/", "orthanc/", "models/weights.py", "models/runtime.py")
    for file, tree in sources():
        if file.startswith(served):
            names = {name for name, _ in calls(tree)}
            assert not names & {"torch.load", "torch.save", "torch.jit.load", "torch.hub.load"}


def test_repository_holds_no_pickled_file() -> None:
    assert [f for f in repository() if f.suffix.lower() in PICKLE_FILES] == []
    for file in repository("*.safetensors"):
        head = file.read_bytes()[:100_000]
        length = int.from_bytes(head[:8], "little")
        assert head[8:9] == b"{", file
        assert length < len(head)
        assert isinstance(json.loads(head[8 : 8 + length]), dict)


def test_sbom_names_the_runtime_and_debians_packages() -> None:
    lock = "alembic==1.0 --hash=sha256:ab\nTyping_Extensions==2\n    --hash=x\n"
    assert sbom.runtime(lock) == {"alembic", "typing-extensions"}
    (one,) = sbom.packages("orthanc\t1.10.1+dfsg-2\tamd64\tinstalled\ngone\t\t\tnot-installed\n")
    assert one["purl"] == "pkg:deb/debian/orthanc@1.10.1%2Bdfsg-2?arch=amd64"


def test_sbom_is_valid_and_the_same_each_time() -> None:
    first, second = (
        subprocess.run(["script/sbom"], cwd=ROOT, capture_output=True, check=True, timeout=300)
        for _ in range(2)
    )
    assert first.stdout == second.stdout
    bill = json.loads(first.stdout)
    names = {component["name"] for component in bill["components"]}
    assert {"torch", "pydicom", "celery", "orthanc"} <= names
    assert "pytest" not in names
    assert sys.prefix.encode() not in first.stdout
