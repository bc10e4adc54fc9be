"""What one study may take: hostile files in a confined process, with the memory that they took."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dicom_node.errors import PixelError
from dicom_node.pixels import inflation
from dicom_node.pixels.wrap import encode
from dicom_node.settings import Settings
from tests import bombs
from tests.images import film
from worker import limits

_MIB = 1 << 20
_LIMIT = 768 * _MIB
_READER = """
import json, resource, sys
from dicom_node import policy
from dicom_node.errors import StudyRefused
from dicom_node.pixels import decode, digest
from dicom_node.pixels.load import parse
from dicom_node.settings import Settings
from worker import limits

limits.confine(Settings(worker_memory_bytes=int(sys.argv[2])))
content = open(sys.argv[1], "rb").read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    dataset = parse(content)
    digest.image_digest(dataset)
    decode.frame(dataset, policy.load().limits)
    told = "read"
except StudyRefused as exc:
    told = exc.code
except MemoryError:
    told = "MEMORY"
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"told": told, "taken_mib": (after - before) / 1024}))
"""


def read(file: Path, limit: int = _LIMIT) -> dict[str, Any]:
    """Read a file in a process of its own, with no more memory than ``limit``."""
    done = subprocess.run(
        [sys.executable, "-c", _READER, str(file), str(limit)],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_deflate_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    file = tmp_path / "bomb.dcm"
    file.write_bytes(bombs.deflated(768 * _MIB))
    assert file.stat().st_size < 2 * _MIB
    told = read(file)
    assert told["told"] == "IMAGE_TOO_LARGE"
    assert told["taken_mib"] < 64


def test_deflated_film_is_read(tmp_path: Path) -> None:
    plain = film()
    plain.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file = tmp_path / "film.dcm"
    file.write_bytes(encode(plain))
    assert read(file)["told"] == "read"


def test_deflated_file_is_measured_in_small_pieces() -> None:
    content = bombs.deflated(8 * _MIB)
    inflation.check(content, 9 * _MIB)
    with pytest.raises(PixelError, match="more than 7 MiB"):
        inflation.check(content, 7 * _MIB)


HOSTILE: dict[str, tuple[Callable[[], bytes], str, int]] = {
    "a header of 65535 x 65535": (bombs.huge, "IMAGE_TOO_LARGE", 32),
    "32 MiB of run lengths, a GiB under a header of 512 x 512": (
        lambda: bombs.runs(32 * _MIB),
        "INCONSISTENT_HEADER",
        256,
    ),
    "a codestream larger than its header": (
        lambda: bombs.codestream(60_000),
        "INCONSISTENT_HEADER",
        32,
    ),
    "sequences nested without end": (lambda: bombs.nested(200_000), "UNDECODABLE", 256),
}
"""What makes the file, the code of its refusal, and the MiB that it may take."""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_and_takes_little(tmp_path: Path, name: str) -> None:
    make, code, most_mib = HOSTILE[name]
    file = tmp_path / "hostile.dcm"
    file.write_bytes(make())
    told = read(file)
    assert told["told"] == code
    assert told["taken_mib"] < most_mib


def test_image_that_does_not_fit_into_the_process_is_refused_with_a_sentence(
    tmp_path: Path,
) -> None:
    """Honest, within the policy, and more than this process may have."""
    pixels = np.zeros((9_900, 9_900), np.uint16)
    file = tmp_path / "large.dcm"
    file.write_bytes(encode(film(pixels)))
    assert read(file, 512 * _MIB)["told"] in {"IMAGE_TOO_LARGE", "MEMORY"}
    assert read(file, 4096 * _MIB)["told"] == "read"


def test_memory_is_limited_by_default_and_as_told() -> None:
    assert limits.memory_bytes(Settings(worker_memory_bytes=5)) == 5
    assert limits.memory_bytes(Settings(worker_memory_bytes=0)) == 0
    assert limits.memory_bytes(Settings(device="cpu")) > _LIMIT
