from pathlib import Path

import numpy as np
from PIL import Image

from dicom_node.domain import RefusalCode
from dicom_node.pixels import folder
from tests.images import encoded, film


def _place(root: Path) -> Path:
    (root / "deep").mkdir()
    (root / "deep" / "film").write_bytes(encoded(film()))
    (root / "notes.txt").write_text("no image", encoding="utf-8")
    (root / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 300)
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(root / "picture.JPG")
    return root


def test_read_folder_finds_images_below_and_says_what_it_skipped(tmp_path: Path) -> None:
    reading = folder.read([_place(tmp_path)])
    assert [one.ref.sop_instance_uid for one in reading.loaded] == [film().SOPInstanceUID]
    assert {skipped.path.name: skipped.refusal.code for skipped in reading.skipped} == {
        "notes.txt": RefusalCode.UNDECODABLE,
        "broken.dcm": RefusalCode.UNDECODABLE,
        "picture.JPG": RefusalCode.MODALITY_NOT_SUPPORTED,
    }


def test_read_picture_with_modality_is_wrapped(tmp_path: Path) -> None:
    reading = folder.read([_place(tmp_path) / "picture.JPG"], "CR")
    assert [one.dataset.Modality for one in reading.loaded] == ["CR"]
    assert reading.skipped == ()


def test_read_order_is_that_of_the_paths(tmp_path: Path) -> None:
    _place(tmp_path)
    files = [tmp_path / "picture.JPG", tmp_path / "deep"]
    assert [one.dataset.Rows for one in folder.read(files, "CR").loaded] == [32, 32]
    assert len(folder.read(files * 2, "CR").loaded) == 4
