"""What one study may take: hostile files in a confined process, with the memory that they took."""

import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from dicom_node.pixels import inflation
from dicom_node.pixels.wrap import encode
from dicom_node.settings import Settings
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
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def deflated(head: bytes, zeros: int) -> bytes:
    """Return a deflated file: a data set in ``head``, then that many zeros in its pixels."""
    shell = film()
    shell.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    del shell.PixelData
    whole = encode(shell)
    begin = 144 + int.from_bytes(whole[140:144], "little")
    squeeze = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    parts = [squeeze.compress(zlib.decompress(whole[begin:], -zlib.MAX_WBITS) + head)]
    piece = bytes(_MIB)
    parts += [squeeze.compress(piece) for _ in range(zeros // _MIB)]
    return whole[:begin] + b"".join(parts) + squeeze.flush()


def pixel_data(length: int) -> bytes:
    """Return the head of Pixel Data, explicit VR little endian, OW."""
    return b"\xe0\x7f\x10\x00OW\0\0" + length.to_bytes(4, "little")


def encapsulated(syntax: UID, frame: bytes, **changes: Any) -> Dataset:
    ds = film(**changes)
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR = "OB"
    return ds


def test_deflate_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    zeros = 768 * _MIB
    file = tmp_path / "bomb.dcm"
    file.write_bytes(deflated(pixel_data(zeros), zeros))
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
    content = deflated(pixel_data(8 * _MIB), 8 * _MIB)
    inflation.check(content, 9 * _MIB)
    with pytest.raises(Exception, match="more than 7 MiB"):
        inflation.check(content, 7 * _MIB)


def test_header_of_65535_by_65535_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "huge.dcm"
    file.write_bytes(encode(film(Rows=65535, Columns=65535)))
    told = read(file)
    assert told["told"] == "IMAGE_TOO_LARGE"
    assert told["taken_mib"] < 32


def test_runs_that_swell_beyond_any_image_are_refused(tmp_path: Path) -> None:
    """32 MiB of run lengths would become a GiB under a header of 64 x 64."""
    header = np.zeros(16, "<u4")
    header[:3] = (2, 64, 64 + 16 * _MIB)
    frame = header.tobytes() + b"\x81\x00" * (16 * _MIB)
    file = tmp_path / "runs.dcm"
    file.write_bytes(encode(encapsulated(RLELossless, frame)))
    told = read(file)
    assert told["told"] == "INCONSISTENT_HEADER"
    assert told["taken_mib"] < 256


def test_codestream_larger_than_its_header_is_refused_undecoded(tmp_path: Path) -> None:
    siz = b"\xff\x4f\xff\x51" + b"\x00\x29\x00\x00" + (60_000).to_bytes(4, "big") * 2 + bytes(8)
    file = tmp_path / "j2k.dcm"
    file.write_bytes(encode(encapsulated(JPEG2000Lossless, siz + bytes(64))))
    told = read(file)
    assert told["told"] == "INCONSISTENT_HEADER"
    assert told["taken_mib"] < 32


def test_sequences_nested_without_end_are_refused(tmp_path: Path) -> None:
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    sequence = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff"
    shell = film()
    del shell.PixelData
    whole = encode(shell)
    file = tmp_path / "deep.dcm"
    file.write_bytes(whole + (sequence + item) * 400_000)
    told = read(file)
    assert told["told"] in {"UNDECODABLE", "NO_PIXEL_DATA"}
    assert told["taken_mib"] < 256


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
