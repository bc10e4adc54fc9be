"""Whatever an image is stored in and asked for in, Orthanc answers and goes on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import AE, build_role, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    StudyRootQueryRetrieveInformationModelGet,
)

from tests.codecs import BITS, STORED, Source, sources
from tests.nodes import LiveNode

pytestmark = pytest.mark.node

ROOT = "1.2.840.10008.1.2"
TARGETS = tuple(
    ROOT + tail
    for tail in (
        *("", ".1", ".1.99", ".2", ".5", ".4.50", ".4.51", ".4.57", ".4.70", ".4.80", ".4.81"),
        *(".4.90", ".4.91", ".4.92", ".4.93", ".4.100", ".4.201", ".7.1"),
    )
)
FRAME_TYPES = {
    ".4.50": "image/jpeg",
    ".4.51": "image/jpeg",
    ".4.57": "image/jpeg",
    ".4.70": "image/jpeg",
    ".4.80": "image/jls",
    ".4.81": "image/jls",
    ".4.90": "image/jp2",
    ".4.91": "image/jp2",
    ".4.92": "image/jpx",
    ".4.93": "image/jpx",
    ".5": "image/dicom-rle",
}
PREVIEWS = (
    *("preview", "image-uint8", "image-uint16", "image-int16", "rendered", "numpy"),
    *("frames/0/raw", "frames/0/preview", "frames/0/numpy", "frames/9/raw"),
)
WRITTEN = tuple(ROOT + tail for tail in (".1", ".5", ".4.70", ".4.80", ".4.90"))
KINDS_WALKED = ("grey8", "signed16", "rgb", "frames16", BITS)
"""Of the twenty that were walked once (docs/decisions/0016-no-gdcm.md), those that differ most."""

_RETIRED = "big-endian"
"""Orthanc takes and renders it, and gives its frames in other transfer syntaxes alone."""

SHOWN = {
    "jpeg-2000": False,  # Orthanc has no decoder of it; viewers get the stored bytes
    "jpeg-2000-lossy": False,
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """Start a node for the walk alone: what ends its Orthanc shall disturb no other test."""
    with LiveNode.at(tmp_path_factory.mktemp("codecs")).running() as live:
        yield live


@pytest.fixture
def client(bare: LiveNode) -> Iterator[httpx.Client]:
    """Return a client of the node's one origin that keeps its connection."""
    url = f"http://127.0.0.1:{bare.http_port}"
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as opened:
        yield opened


def requests_for(source: Source, orthanc_id: str, study_id: str) -> Iterator[httpx.Request]:
    """Yield every way of asking for an image."""
    yield from _wado_rs(source)
    wado = (
        f"/wado?requestType=WADO&studyUID={source.study}&seriesUID={source.series}"
        f"&objectUID={source.instance}"
    )
    for kind in ("image/jpeg", "image/png", "image/jp2"):
        yield httpx.Request("GET", f"{wado}&contentType={kind}&rows=8&windowWidth=20")
    for target in TARGETS:
        asked = f"{wado}&contentType=application/dicom&transferSyntax={target}"
        yield httpx.Request("GET", asked)
    for target in WRITTEN:
        wish = {"Transcode": target, "Keep": ["SOPInstanceUID"], "Force": True}
        yield httpx.Request("POST", f"/instances/{orthanc_id}/modify", json=wish)
        yield httpx.Request("GET", f"/studies/{study_id}/archive?transcode={target}")
    for name in PREVIEWS:
        yield httpx.Request("GET", f"/instances/{orthanc_id}/{name}")


def _wado_rs(source: Source) -> Iterator[httpx.Request]:
    path = f"/dicom-web/studies/{source.study}/series/{source.series}/instances/{source.instance}"
    for kind in ("image/jpeg", "image/png"):
        yield httpx.Request("GET", f"{path}/rendered", headers={"Accept": kind})
        yield httpx.Request("GET", f"{path}/frames/1/rendered", headers={"Accept": kind})
    for where in (path, f"{path}/frames/1", f"{path}/frames/1,2,99", f"{path}/metadata"):
        yield httpx.Request("GET", where)
    for target in (*TARGETS, "*"):
        frame = FRAME_TYPES.get(target.removeprefix(ROOT), "application/octet-stream")
        for where, kind in ((path, "application/dicom"), (f"{path}/frames/1", frame)):
            accept = f'multipart/related; type="{kind}"; transfer-syntax={target}'
            yield httpx.Request("GET", where, headers={"Accept": accept})


@pytest.mark.parametrize("stored", STORED)
def test_orthanc_survives_every_way_of_asking(
    bare: LiveNode, client: httpx.Client, tmp_path: Path, stored: str
) -> None:
    process = bare.parts()["orthanc"]
    for source in sources(tmp_path, KINDS_WALKED, (stored,)):
        kept = client.post("/instances", content=source.content).json()
        for request in requests_for(source, kept["ID"], kept["ParentStudy"]):
            asked = client.build_request(
                request.method, request.url, headers=request.headers, content=request.read()
            )
            answer = client.send(asked)
            told = (source.name, request.method, str(request.url), answer.status_code)
            assert answer.content or not answer.is_success, told
            assert answer.headers.get("content-type") or not answer.is_success, told
    assert bare.parts()["orthanc"] == process


@pytest.mark.parametrize("stored", STORED)
def test_image_is_rendered_or_it_is_said_that_it_is_not(
    bare: LiveNode, client: httpx.Client, tmp_path: Path, stored: str
) -> None:
    for source in sources(tmp_path, ("grey8", "grey12", "rgb"), (stored,)):
        client.post("/instances", content=source.content)
        path = (
            f"/dicom-web/studies/{source.study}/series/{source.series}/instances/{source.instance}"
        )
        rendered = client.get(f"{path}/rendered", headers={"Accept": "image/png"})
        assert (rendered.status_code == httpx.codes.OK) is SHOWN.get(stored, True), source.name
        accept = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
        bytes_as_stored = client.get(f"{path}/frames/1", headers={"Accept": accept})
        assert (bytes_as_stored.status_code == httpx.codes.OK) is (stored != _RETIRED), source.name


@pytest.mark.parametrize("target", TARGETS)
def test_orthanc_survives_c_get_in_every_transfer_syntax(
    bare: LiveNode, client: httpx.Client, tmp_path: Path, target: str
) -> None:
    process = bare.parts()["orthanc"]
    for source in sources(tmp_path, ("grey12", "rgb", BITS), STORED):
        client.post("/instances", content=source.content)
        fetch(bare, source, target)
    assert bare.parts()["orthanc"] == process


def fetch(node: LiveNode, source: Source, target: str) -> list[Dataset]:
    """Ask for an image by C-GET, in one transfer syntax alone; return what came."""
    came: list[Dataset] = []

    def take(event: Event) -> int:
        came.append(event.dataset)
        return 0x0000

    entity = AE("TESTER")
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    roles: list[Any] = []
    for sop_class in (
        SecondaryCaptureImageStorage,
        MultiFrameSingleBitSecondaryCaptureImageStorage,
    ):
        entity.add_requested_context(sop_class, UID(target))
        roles.append(build_role(sop_class, scp_role=True))
    association = entity.associate(
        "127.0.0.1",
        node.dicom_port,
        ae_title="AITRIAGE",
        ext_neg=roles,
        evt_handlers=[(evt.EVT_C_STORE, take)],
    )
    assert association.is_established
    wanted = Dataset()
    wanted.QueryRetrieveLevel = "IMAGE"
    wanted.StudyInstanceUID, wanted.SeriesInstanceUID = source.study, source.series
    wanted.SOPInstanceUID = source.instance
    for status, _ in association.send_c_get(wanted, StudyRootQueryRetrieveInformationModelGet):
        assert status, (source.name, target)
    association.release()
    return came
