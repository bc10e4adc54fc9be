"""What a destination is sent, and who vouches for it."""

from pathlib import Path

import pytest

from dicom_node.pixels.wrap import encode
from tests.builders import Film
from tests.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return a certificate authority of the test's own."""
    return Authority(tmp_path / "certificates")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Return the file of a small film."""
    path = tmp_path / "film.dcm"
    path.write_bytes(encode(Film().build()))
    return path
