from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dicom_node.domain import RefusalCode
from dicom_node.errors import PixelError
from dicom_node.pixels import cxr, decode, load, wrap
from tests.images import LIMITS, gradient, loaded
from tests.validators import dciodvfy_errors


def _picture(folder: Path, name: str = "film.png", pixels: Any = None) -> Path:
    file = folder / name
    grey = (gradient(64, 48) // 16).astype(np.uint8) if pixels is None else pixels
    Image.fromarray(grey).save(file)
    return file


def _code(file: Path, modality: str = "CR") -> str:
    with pytest.raises(PixelError) as refused:
        wrap.radiograph(file, modality)
    return refused.value.code


def test_radiograph_png_keeps_every_grey(tmp_path: Path) -> None:
    ds = wrap.radiograph(_picture(tmp_path))
    assert np.array_equal(decode.frame(ds, LIMITS), gradient(64, 48) // 16)
    assert ds.LossyImageCompression == "00"


def test_radiograph_sixteen_bit_png_keeps_every_grey(tmp_path: Path) -> None:
    ds = wrap.radiograph(_picture(tmp_path, pixels=gradient(64, 48)))
    assert np.array_equal(decode.frame(ds, LIMITS), gradient(64, 48))
    assert ds.BitsStored == 16


def test_radiograph_jpeg_says_that_it_lost_something(tmp_path: Path) -> None:
    ds = wrap.radiograph(_picture(tmp_path, "film.jpg"))
    assert ds.LossyImageCompression == "01"
    assert cxr.film(loaded(ds), LIMITS).pixels.shape == (64, 48)


def test_radiograph_same_file_same_uids(tmp_path: Path) -> None:
    file = _picture(tmp_path)
    copy = tmp_path / "elsewhere.png"
    copy.write_bytes(file.read_bytes())
    other = _picture(tmp_path, "other.png", np.full((64, 48), 7, np.uint8))
    one, again, different = (wrap.radiograph(path) for path in (file, copy, other))
    assert wrap.encode(one) == wrap.encode(again)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID"):
        assert one[keyword].value != different[keyword].value
    assert len({one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID}) == 3


def test_radiograph_same_picture_of_two_patients_is_two_studies(tmp_path: Path) -> None:
    file = _picture(tmp_path)
    one, other = (wrap.radiograph(file, attributes=wrap.Attributes(patient_id=p)) for p in "ab")
    assert one.StudyInstanceUID != other.StudyInstanceUID


def test_radiograph_attributes_are_written(tmp_path: Path) -> None:
    given = wrap.Attributes(patient_id="P1", patient_name="Roe^Jane", study_instance_uid="1.2.3",
                            accession_number="A1", study_description="Chest")  # fmt: skip
    ds = load.parse(wrap.encode(wrap.radiograph(_picture(tmp_path), attributes=given)))
    assert (ds.PatientID, ds.PatientName, ds.StudyInstanceUID) == ("P1", "Roe^Jane", "1.2.3")
    assert (ds.AccessionNumber, ds.StudyDescription) == ("A1", "Chest")


@pytest.mark.parametrize("name", ["film.png", "film.jpg"])
def test_radiograph_is_valid(tmp_path: Path, name: str) -> None:
    odd = (gradient(63, 47) // 16).astype(np.uint8)
    file = tmp_path / "film.dcm"
    file.write_bytes(wrap.encode(wrap.radiograph(_picture(tmp_path, name, odd))))
    assert dciodvfy_errors(file) == []


def test_radiograph_colour_is_refused(tmp_path: Path) -> None:
    pixels = np.zeros((64, 48, 3), np.uint8)
    pixels[..., 0] = 200
    assert _code(_picture(tmp_path, pixels=pixels)) == RefusalCode.SCREEN_CAPTURE


def test_radiograph_grey_saved_as_rgb_is_read(tmp_path: Path) -> None:
    grey = (gradient(64, 48) // 16).astype(np.uint8)
    ds = wrap.radiograph(_picture(tmp_path, pixels=np.dstack([grey] * 3)))
    assert np.array_equal(decode.frame(ds, LIMITS), grey)


def test_radiograph_other_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "film.png"
    file.write_bytes(b"no picture")
    assert _code(file) == RefusalCode.UNDECODABLE
    sound = _picture(tmp_path).read_bytes()
    file.write_bytes(sound[: len(sound) // 2])
    assert _code(file) == RefusalCode.UNDECODABLE


def test_radiograph_other_modality_is_refused(tmp_path: Path) -> None:
    assert _code(_picture(tmp_path), "CT") == RefusalCode.MODALITY_NOT_SUPPORTED


def test_radiograph_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert _code(_picture(tmp_path)) == RefusalCode.IMAGE_TOO_LARGE
