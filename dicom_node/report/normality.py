"""Whether a study is normal, abnormal or undetermined, as its findings have it."""

from collections.abc import Sequence

from dicom_node import codes
from dicom_node.codes import Code
from dicom_node.domain import Finding, Presence


def of(findings: Sequence[Finding]) -> Code:
    """Return the value of (121402, DCM, "Normality"), CID 222.

    ABNORMAL where any disease is present, whatever else is said. NORMAL only where the model
    claims it: "normal" present and every disease absent. That no disease of a model's short
    list was found never makes a study normal; everything else is undetermined.
    """
    diseases = [f.presence for f in findings if f.code != codes.NORMAL]
    claims = [f.presence for f in findings if f.code == codes.NORMAL]
    if Presence.PRESENT in diseases:
        return codes.ABNORMAL
    if Presence.PRESENT in claims and all(p is Presence.ABSENT for p in diseases):
        return codes.NORMAL
    return codes.UNDETERMINED_NORMALITY
