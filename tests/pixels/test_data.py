"""Every real file of the research data gives what ``what_files_give.txt`` says.

Each line: file | rows x columns and lowest..highest stored value, or the refusal of the frame |
READ, or the refusal of a study that holds this file alone (CT where the modality says so).
"""

from pathlib import Path

import numpy as np
import pytest

from dicom_node import policy
from dicom_node.domain import RefusalCode, StudyKind
from dicom_node.errors import StudyRefused
from dicom_node.pixels import cxr, decode, folder, select
from dicom_node.pixels.load import Loaded, load, parse, refer

pytestmark = pytest.mark.data

_LIMITS = policy.load().limits
_TABLE = Path(__file__).with_name("what_files_give.txt")
_ROWS = [tuple(line.split(" | ")) for line in _TABLE.read_text(encoding="utf-8").splitlines()]
_CT1_LOSSLESS = ("j2kr", "jlsl", "jpll", "rle")
_CORNERSTONE_LOSSLESS = (
    "BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2",
    "DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99",
    "JPEGProcess14TransferSyntax_1.2.840.10008.1.2.4.57",
    "LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2",
)


def _loaded(file: Path) -> Loaded:
    dataset = parse(file.read_bytes())
    return Loaded(refer(dataset), dataset)


def _frame(file: Path) -> str:
    try:
        pixels = decode.frame(_loaded(file).dataset, _LIMITS)
    except StudyRefused as exc:
        return exc.code
    rows, columns = pixels.shape
    return f"{rows}x{columns} {pixels.min()}..{pixels.max()}"


def _study(file: Path) -> str:
    try:
        one = _loaded(file)
        kind = StudyKind.CT if one.dataset.get("Modality") == "CT" else StudyKind.CXR
        select.select(kind, [one], _LIMITS)
    except StudyRefused as exc:
        return exc.code
    return "READ"


def test_table_names_every_file(data_dir: Path) -> None:
    found = {str(file.relative_to(data_dir / "dicom")) for file in data_dir.glob("dicom/*/*.dcm")}
    assert found == {name for name, _, _ in _ROWS}


@pytest.mark.parametrize(("name", "frame", "study"), _ROWS, ids=[name for name, _, _ in _ROWS])
def test_file_gives_what_the_table_says(data_dir: Path, name: str, frame: str, study: str) -> None:
    file = data_dir / "dicom" / name
    assert (_frame(file), _study(file)) == (frame, study)


def _ct1(data_dir: Path, encoding: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    file = data_dir / f"dicom/transfer_syntax/nema_ct1_{encoding}.dcm"
    return decode.frame(_loaded(file).dataset, _LIMITS)


def test_lossless_encodings_of_one_image_are_equal(data_dir: Path) -> None:
    first, *others = (_ct1(data_dir, encoding) for encoding in _CT1_LOSSLESS)
    assert all(np.array_equal(first, other) for other in others)
    folder_path = data_dir / "dicom/transfer_syntax"
    first, *others = (
        decode.frame(_loaded(folder_path / f"cs_{name}.dcm").dataset, _LIMITS)
        for name in _CORNERSTONE_LOSSLESS
    )
    assert all(np.array_equal(first, other) for other in others)


@pytest.mark.parametrize(("encoding", "most"), [("jlsn", 10), ("j2ki", 700)])
def test_lossy_encodings_of_one_image_are_near(data_dir: Path, encoding: str, most: int) -> None:
    difference = np.abs(_ct1(data_dir, encoding) - _ct1(data_dir, "jpll"))
    assert difference.max() <= most
    assert difference.mean() < 30


@pytest.mark.parametrize("process", ["1TransferSyntax_1.2.840.10008.1.2.4.50",
                                     "2_4TransferSyntax_1.2.840.10008.1.2.4.51"])  # fmt: skip
def test_lossy_jpeg_of_ct_is_near_in_hounsfield_units(data_dir: Path, process: str) -> None:
    place = data_dir / "dicom/transfer_syntax"
    lossy = _loaded(place / f"cs_JPEGProcess{process}.dcm").dataset
    true = _loaded(place / f"cs_{_CORNERSTONE_LOSSLESS[3]}.dcm").dataset
    units = decode.frame(lossy, _LIMITS) * float(lossy.RescaleSlope) + float(lossy.RescaleIntercept)
    difference = np.abs(units - (decode.frame(true, _LIMITS) - 1024))[100:400, 100:400]
    assert np.median(difference) < 2 * float(lossy.RescaleSlope)


def test_jpeg_extended_film_is_the_jpeg2000_one(data_dir: Path) -> None:
    place = data_dir / "dicom/gate_notchest"
    one, other = (
        decode.frame(_loaded(place / f"nema_rg3_tibia_{name}.dcm").dataset, _LIMITS)
        for name in ("jpeg12", "j2k")
    )
    assert np.abs(one - other).mean() < 3


def test_false_photometric_gives_the_film_turned(data_dir: Path) -> None:
    true, false = (
        cxr.film(_loaded(data_dir / f"dicom/cxr/rsna_cr_{name}.dcm"), _LIMITS).pixels
        for name in ("jpegbaseline_pa", "wrong_photometric")
    )
    assert np.allclose(true, 1 - false, atol=0.02)


def test_bright_films_of_both_kinds_have_dark_lungs(data_dir: Path) -> None:
    for name in ("cr_mono1_10bit_chest", "nih_udacity_test2", "orthanc_cr_mono1_jpeg"):
        pixels = cxr.film(_loaded(data_dir / f"dicom/cxr/{name}.dcm"), _LIMITS).pixels
        rows, columns = pixels.shape
        middle = slice(int(0.3 * rows), int(0.6 * rows))
        spine = pixels[middle, int(0.48 * columns) : int(0.52 * columns)].mean()
        lungs = pixels[middle, int(0.25 * columns) : int(0.35 * columns)].mean()
        assert spine > lungs + 0.15


@pytest.mark.parametrize(("patient", "spacing"), [("P001", 6), ("cap001", 8), ("normal001", 6)])
def test_sound_volume_is_read(data_dir: Path, patient: str, spacing: float) -> None:
    reading = folder.read([data_dir / "ct/volumes" / patient])
    sample = select.select(StudyKind.CT, reading.loaded, _LIMITS).samples[0]
    assert sample.pixels.shape == (41, 512, 512)
    assert sample.geometry.slice_spacing_mm == pytest.approx(spacing)
    assert (sample.geometry.gaps, sample.notes) == (0, ())
    assert list(sample.geometry.positions_mm) == sorted(sample.geometry.positions_mm)
    assert sample.pixels.min() >= -1024


def test_volume_with_one_slice_missing_is_told(data_dir: Path) -> None:
    reading = folder.read([data_dir / "ct/volumes/P001"])
    ordered = sorted(reading.loaded, key=lambda one: float(one.dataset.ImagePositionPatient[2]))
    del ordered[20]
    sample = select.select(StudyKind.CT, ordered, _LIMITS).samples[0]
    assert sample.geometry.gaps == 1
    assert sample.notes[0].startswith("Series incomplete: 1 slice missing near -")


@pytest.mark.parametrize("patient", ["P002", "cap002", "normal002"])
def test_volume_of_one_uid_is_refused(data_dir: Path, patient: str) -> None:
    reading = folder.read([data_dir / "ct/volumes" / patient])
    with pytest.raises(StudyRefused) as refused:
        select.select(StudyKind.CT, reading.loaded, _LIMITS)
    assert refused.value.code == RefusalCode.DUPLICATE_SOP_INSTANCE_UID


def test_load_names_the_archived_instance(data_dir: Path) -> None:
    content = (data_dir / "dicom/cxr/nih_udacity_test1.dcm").read_bytes()
    ref = refer(parse(content))
    assert load(ref, content).ref is ref
