"""What the catalogue port makes of odd answers of Orthanc's, which is played here."""

from typing import Any

import httpx
import pytest
from pyorthanc import Orthanc

from dicom_node.archive.catalogue import OrthancCatalogue

STUDY = {"0020000D": {"vr": "UI", "Value": ["1.2.3"]}}
MODALITIES = "00080061"


def described(modalities: Any) -> Any:
    told = {**STUDY, **({} if modalities is None else {MODALITIES: modalities})}
    answers = {"/dicom-web/studies": [told], "/tools/find": []}
    transport = httpx.MockTransport(lambda q: httpx.Response(200, json=answers[q.url.path]))
    orthanc = Orthanc("http://orthanc", return_raw_response=True, transport=transport)
    (entry,) = OrthancCatalogue(orthanc).described(["1.2.3"], [])
    return entry.attributes.get(MODALITIES)


@pytest.mark.parametrize(
    "nothing",
    [
        None,
        {"vr": "CS"},
        {"vr": "CS", "Value": []},
        {"vr": "CS", "Value": [None]},
        {"vr": "CS", "Value": [""]},
    ],
)
def test_study_whose_objects_have_no_modality_has_no_empty_list(nothing: Any) -> None:
    """OHIF's study list reads the list of an element that is there, and breaks for everybody."""
    assert described(nothing) is None


def test_modalities_come_one_by_one() -> None:
    assert described({"vr": "CS", "Value": ["CR\\SR", None]}) == {"vr": "CS", "Value": ["CR", "SR"]}
