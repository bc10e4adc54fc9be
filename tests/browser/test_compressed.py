"""However an image is compressed, the viewer shows it, and its page complains of nothing."""

from pathlib import Path

import pytest

from tests.films import copy_of
from tests.nodes import LiveNode
from tests.viewers import Viewer

pytestmark = [pytest.mark.node, pytest.mark.browser, pytest.mark.data]

FILES = (
    "cxr/orthanc_cr_mono1_jpeg.dcm",
    "cxr/rsna_cr_jpegbaseline_pa.dcm",
    "gate_notchest/nema_rg2_hip_j2k.dcm",
    "gate_notchest/nema_rg3_tibia_jpeg12.dcm",
    "transfer_syntax/nema_ct1_j2kr.dcm",
    "transfer_syntax/nema_ct1_jlsl.dcm",
    "transfer_syntax/nema_ct1_jpll.dcm",
    "transfer_syntax/nema_ct1_rle.dcm",
)


@pytest.mark.parametrize("name", FILES)
def test_image_is_shown_however_it_is_compressed(
    node: LiveNode, viewer: Viewer, data_dir: Path, tmp_path: Path, name: str
) -> None:
    study, file = copy_of(data_dir / "dicom" / name, Path(name).stem, tmp_path)
    assert [sent for sent in node.send([file]) if not sent.stored] == []
    viewer.open(study)
