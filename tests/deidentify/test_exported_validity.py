"""De-identified objects before the validators that judge the originals."""

from pathlib import Path

import pytest

from dicom_node import policy
from dicom_node.deidentify import pixels
from dicom_node.deidentify.clean import Profile, cleaned
from dicom_node.deidentify.keys import Pseudonyms
from dicom_node.pixels import decode
from dicom_node.pixels.wrap import encode
from dicom_node.report import registry
from tests import builders
from tests.sources import SOURCES
from tests.validators import dciodvfy_errors, validate_sr

pytestmark = pytest.mark.validators

WRITERS = registry.writers("AITRIAGE")


@pytest.mark.parametrize(("source", "shift"), [("cr_japanese", False), ("ct_40", True)])
def test_exported_report_and_heatmap_are_valid(source: str, shift: bool, tmp_path: Path) -> None:
    images = SOURCES[source]()
    result = builders.result(images, predecessor=builders.PREDECESSOR)
    profile = Profile(Pseudonyms(b"k" * 32), shift_dates=shift)
    for name, writer in WRITERS.items():
        made = writer.write(result, images, [builders.heatmap(images[0])])
        if "PixelData" in made:
            pixels.store(made, decode.stored(made, policy.load().limits))
        (tmp_path / f"{name}.dcm").write_bytes(encode(cleaned(made, profile)))
    validate_sr(tmp_path / "sr.dcm")
    assert dciodvfy_errors(tmp_path / "heatmap.dcm") == []
