"""Coded concepts (PS3.16) that the node writes, each named once.

A test pins the SCT codes of the four CXR labels, which no package here can look up; the
18-character code of "COVID-19 pneumonia" does not fit Code Value (0008,0100), so the disease
COVID-19 stands for it, and the conformance statement says so.
"""

from dataclasses import dataclass
from typing import Final

OWN_SCHEME: Final = "99DCMNODE"
"""The scheme of what no standard has a code for (PS3.16 8.2: 99 marks a private one)."""


MANUFACTURER: Final = "dicom-node project"
"""By which the node's own objects are known."""


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept: Code Value, Coding Scheme Designator, Code Meaning (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str


# Findings
COVID19 = Code("840539006", "SCT", "COVID-19")
BACTERIAL_PNEUMONIA = Code("53084003", "SCT", "Bacterial pneumonia")
VIRAL_PNEUMONIA = Code("75570004", "SCT", "Viral pneumonia")
NORMAL = Code("17621005", "SCT", "Normal")
ABNORMAL = Code("263654008", "SCT", "Abnormal")
UNDETERMINED_NORMALITY = Code("371934000", "SCT", "Normality undetermined")

# Presence, CID 240
PRESENT = Code("52101004", "SCT", "Present")
ABSENT = Code("272519000", "SCT", "Absent")
UNDETERMINED = Code("373068000", "SCT", "Undetermined")

# Names of report items
NORMALITY = Code("121402", "DCM", "Normality")
PRIORITY = Code("260870009", "SCT", "Priority")
PROBABILITY = Code("122157", "DCM", "Probability")
PERCENT = Code("%", "UCUM", "Percent")
LUNG = Code("39607008", "SCT", "Lung")
GROUND_GLASS_ATTENUATION = Code("GGATT", OWN_SCHEME, "Ground-glass attenuation")
"""Our own: a range of Hounsfield units, not a radiologist's ground-glass opacity."""
SHARE_OF_LUNG = Code("LUNGSHARE", OWN_SCHEME, "Share of lung volume")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")

# Urgency, CID 7035
ACR_CATEGORY_1 = Code("RID49480", "RADLEX", "ACR Category 1 Actionable Finding")
ACR_CATEGORY_2 = Code("RID49481", "RADLEX", "ACR Category 2 Actionable Finding")
ACR_CATEGORY_3 = Code("RID49482", "RADLEX", "ACR Category 3 Actionable Finding")
LOW_PRIORITY = Code("LOW", OWN_SCHEME, "Low reading priority")
"""Our own: CID 7035 has nothing below an actionable finding."""

# Procedures: CID 100 members, which the validators know, and what was really done
IMAGING_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")
CT_UNSPECIFIED = Code("25045-6", "LN", "CT unspecified body region")
CHEST_RADIOGRAPH = Code("399208008", "SCT", "Plain chest X-ray")
CHEST_CT = Code("169069000", "SCT", "CT of chest")

# Structure of the report
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
SOURCE = Code("260753009", "SCT", "Source")
PIXELS = Code("{pixels}", "UCUM", "Pixels")
MILLIMETRE = Code("mm", "UCUM", "mm")
DIRECTION_COSINE = Code("{-1:1}", "UCUM", "{-1:1}")

# Titles of rejection notes, CID 7010
REJECTED_FOR_QUALITY = Code("113001", "DCM", "Rejected for Quality Reasons")
REJECTED_FOR_SAFETY = Code("113037", "DCM", "Rejected for Patient Safety Reasons")
INCORRECT_WORKLIST_ENTRY = Code("113038", "DCM", "Incorrect Modality Worklist Entry")

FINDINGS: dict[str, Code] = {
    "normal": NORMAL,
    "bacterial_pneumonia": BACTERIAL_PNEUMONIA,
    "viral_pneumonia": VIRAL_PNEUMONIA,
    "covid19": COVID19,
}
"""Every label a shipped model may emit, with its code."""
