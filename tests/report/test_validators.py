"""Result objects before validators that nobody in this project wrote."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.domain import Box
from dicom_node.report import registry
from dicom_node.report.encode import to_file
from tests import builders
from tests.conftest import missing_tool
from tests.sources import SOURCES
from tests.validators import dciodvfy_errors, validate_sr

pytestmark = pytest.mark.validators

WRITERS = registry.writers("AITRIAGE")


READINGS: dict[str, tuple[str, Callable[[Dataset], dict[str, Any]]]] = {
    **{source: (source, lambda _: {}) for source in SOURCES},
    "all_normal": ("cr_utf8", builders.all_normal),
    "all_undetermined": ("cr_utf8", builders.all_undetermined),
    "with_measurement": (
        "ct_40",
        lambda image: {"measurements": (builders.measurement(image),)},
    ),
    "with_predecessor": ("ct_40", lambda _: {"predecessor": builders.PREDECESSOR}),
}


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        missing_tool(f"{name} is not installed; run script/setup")
    return str(path)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=300)


def write(name: str, images: Sequence[Dataset], target: Path, **changes: Any) -> Path:
    result = builders.result(images, **changes)
    target.write_bytes(to_file(WRITERS[name].write(result, images, [builders.heatmap(images[0])])))
    return target


def reading(name: str) -> tuple[list[Dataset], dict[str, Any]]:
    source, changes = READINGS[name]
    images = SOURCES[source]()
    return images, changes(images[0])


@pytest.mark.parametrize("name", sorted(READINGS))
def test_sr_passes_all_four_validators(name: str, tmp_path: Path) -> None:
    images, changes = reading(name)
    validate_sr(write("sr", images, tmp_path / "sr.dcm", **changes))


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_heatmap_passes_dciodvfy(source: str, tmp_path: Path) -> None:
    assert dciodvfy_errors(write("heatmap", SOURCES[source](), tmp_path / "heatmap.dcm")) == []


def test_sr_with_an_order_and_a_zone_passes_dciodvfy(tmp_path: Path) -> None:
    film = builders.Film().build()
    order = Dataset()
    order.RequestedProcedureID = "RP-1"
    film.RequestAttributesSequence = [order]
    film.TimezoneOffsetFromUTC = "+0900"
    assert dciodvfy_errors(write("sr", [film], tmp_path / "sr.dcm")) == []


def test_sr_is_readable_as_a_page(tmp_path: Path) -> None:
    file = write("sr", SOURCES["cr_japanese"](), tmp_path / "sr.dcm")

    ended = run(tool("dsr2html"), "--charset-check-all", str(file), str(tmp_path / "sr.html"))

    page = (tmp_path / "sr.html").read_text(encoding="utf-8")
    assert ended.returncode == 0, ended.stderr
    for text in ("COVID-19", "91", "RESEARCH USE ONLY", "Probability", "cxr-lite", "胸部正面"):
        assert text in page, text


@pytest.mark.data
@pytest.mark.parametrize("modality", ["CR", "DX", "CT"])
def test_sr_and_heatmap_of_real_images_pass(modality: str, data_dir: Path, tmp_path: Path) -> None:
    files = sorted(
        file
        for folder in ("cxr", "gate_header", "ct")
        for file in (data_dir / "dicom" / folder).glob("*.dcm")
    )
    headers = [dcmread(file, stop_before_pixels=True) for file in files]
    images = [header for header in headers if header.get("Modality") == modality]
    assert images
    for index, image in enumerate(images):
        changes = {
            "findings": tuple(
                builders.finding(f.label, f.probability, f.presence, where)
                for f in builders.result([image]).findings
                for where in [builders.region(image, Box(1, 1, 20, 20))]
            )
        }
        assert (
            dciodvfy_errors(write("heatmap", [image], tmp_path / f"{index}.heat.dcm", **changes))
            == []
        )
        assert dciodvfy_errors(write("sr", [image], tmp_path / f"{index}.sr.dcm", **changes)) == []
    validate_sr(tmp_path / "0.sr.dcm")
