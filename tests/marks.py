"""A patient marked in every attribute that may name somebody, and every form of a mark in bytes."""

import base64
import json
from urllib.parse import quote

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

MARKS = (
    "Zmarkname", "Qmärkgiven", "MRKPID77", "MRKACC88", "19370213", "MRKDESC", "MRKSERIES",
    "MRKCOMMENT", "MRKPHYS", "MRKOTHER", "MRKPRIV", "MRKOPER", "MRKINST", "MRKREQ", "MRKSTATION",
    "MRKSTUDY",
)  # fmt: skip
PIXEL_MARK = b"MRKPIXELBYTES"
"""Burned into pixel bytes: it may lie in the archive alone."""


def marked(image: Dataset) -> Dataset:
    """Mark an image's patient, study and free text; return it."""
    image.SpecificCharacterSet = "ISO_IR 192"
    image.PatientName = "Zmarkname^Qmärkgiven"
    image.PatientID = "MRKPID77"
    image.PatientBirthDate = "19370213"
    image.AccessionNumber = "MRKACC88"
    image.StudyDescription = "MRKDESC"
    image.SeriesDescription = "MRKSERIES"
    image.PatientComments = "MRKCOMMENT lives at home"
    image.ImageComments = "MRKCOMMENT"
    image.StudyID = "MRKSTUDY"
    image.ReferringPhysicianName = "MRKPHYS^Doc"
    image.PerformingPhysicianName = "MRKPHYS^Two"
    image.OperatorsName = "MRKOPER^Op"
    image.InstitutionName = "MRKINST hospital"
    image.StationName = "MRKSTATION"
    image.OtherPatientIDs = "MRKOTHER"
    image.AdditionalPatientHistory = "MRKOTHER history"
    order = Dataset()
    order.RequestedProcedureID = "MRKREQ"
    order.RequestedProcedureDescription = "MRKREQ please"
    image.RequestAttributesSequence = Sequence([order])
    block = image.private_block(0x0009, "MRKPRIV CREATOR", create=True)
    block.add_new(0x01, "LO", "MRKPRIV")
    return image


def forms(mark: str) -> frozenset[bytes]:
    """Return every encoding under which a mark may hide in a file."""
    plain = {mark.encode(code) for code in ("utf-8", "latin-1", "utf-16-le", "utf-16-be")}
    found = set(plain)
    for one in plain:
        found |= {one.hex().encode(), one.hex().upper().encode()}
        found |= {_base64(b"\0" * shift + one, shift) for shift in range(3)}
    found.add(json.dumps(mark)[1:-1].encode())
    found.add(quote(mark).encode())
    return frozenset(found)


def _base64(padded: bytes, shift: int) -> bytes:
    """Return the part of a Base64 text that depends on the mark alone, at one of three shifts."""
    text = base64.b64encode(padded)
    first = (0, 2, 3)[shift]
    last = len(padded) * 8 // 6
    return text[first:last]
