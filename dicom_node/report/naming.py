"""The UIDs of result objects: functions of the result, so that writing twice names the same.

Series and object are both the run's, so that each run has a series of its own, and both hold the
node's version because Series Description and the Equipment module show it (PS3.3 C.7.3.1). The
tracking UID holds no model version: it names the question "this class in this study", so that a
reader's verdict follows it across re-readings (`docs/decisions/0002-report-layout.md`).
"""

from typing import Final

from dicom_node import uids
from dicom_node.domain import ModelIdentity, TriageResult
from dicom_node.report.provenance import VERSION

IMPLEMENTATION_CLASS_UID: Final = uids.derive("implementation class")
CODING_SCHEME_UID: Final = uids.derive("coding scheme")


def sop_instance_uid(result: TriageResult, writer: str) -> str:
    """Return the UID of the object that ``writer`` makes of this run."""
    return uids.derive("object", writer, result.run_identity, VERSION)


def series_instance_uid(result: TriageResult, writer: str) -> str:
    """Return the UID of the series that holds ``writer``'s objects of this run."""
    return uids.derive("series", writer, result.run_identity, VERSION)


def further_uid(result: TriageResult, writer: str, source_uid: str) -> str:
    """Return the UID of a further object in that series, which is about one source image."""
    return uids.derive("object", writer, result.run_identity, VERSION, source_uid)


def tracking_uid(study_instance_uid: str, label: str) -> str:
    """Return the Tracking Unique Identifier (112040, DCM) of one class in one study."""
    return uids.derive("tracking", study_instance_uid, label)


def device_uid(model: ModelIdentity) -> str:
    """Return the Device UID of a model: a new one for each set of weights (IHE AIR 6.5.3.1)."""
    return uids.derive("device", model.key)
