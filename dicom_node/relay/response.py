"""What the relay answers in Orthanc's place (PS3.7 9.3, 10.3)."""

from typing import Final

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import encode

from dicom_node.relay.sender import HEAD, P_DATA, Command

_NO_DATA_SET: Final = 0x0101
_RESPONSE: Final = 0x8000
_FINAL_COMMAND: Final = 3


def response(command: Command, status: int, why: str) -> bytes:
    """Return the P-DATA-TF that answers a command with a status (PS3.7 annex C)."""
    answer = Dataset()
    if UID(command.sop_class).is_valid:
        answer.AffectedSOPClassUID = command.sop_class
    answer.CommandField = command.field | _RESPONSE
    answer.MessageIDBeingRespondedTo = command.message
    answer.CommandDataSetType = _NO_DATA_SET
    answer.Status = status
    if why:
        answer.ErrorComment = why[:64]
    if command.action is not None:
        answer.ActionTypeID = command.action
    if UID(command.sop_instance).is_valid:
        answer.AffectedSOPInstanceUID = command.sop_instance
    body = encode(answer, is_implicit_vr=True, is_little_endian=True) or b""
    length = Dataset()
    length.CommandGroupLength = len(body)
    said = (encode(length, is_implicit_vr=True, is_little_endian=True) or b"") + body
    fragment = (len(said) + 2).to_bytes(4) + bytes([command.context, _FINAL_COMMAND]) + said
    return HEAD.pack(P_DATA, len(fragment)) + fragment
