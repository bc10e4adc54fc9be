"""A data set in a transfer syntax that a peer takes (PS3.5 10, A).

What a peer takes as it is stays as it is; else it is uncompressed. Explicit VR Big Endian, retired
in 2006, is read and never written.
"""

from collections.abc import Collection
from io import BytesIO
from typing import Final

import numpy as np
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataelem import DataElement
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

UNCOMPRESSED: Final = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
"""What every data set can be turned into, the better first: it keeps private VRs."""

_WORD_BYTES: Final = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}


def proposed(syntax: str) -> tuple[str, ...]:
    """Return the transfer syntaxes to propose for a file in this one."""
    own = () if syntax == ExplicitVRBigEndian else (syntax,)
    return tuple(dict.fromkeys((*own, *UNCOMPRESSED)))


def fitting(dataset: Dataset, accepted: Collection[str]) -> Dataset:
    """Return the data set in one of the accepted transfer syntaxes, unchanged where it has one.

    Raises ValueError where there is none that it can have, or where its pixels cannot be decoded.
    """
    syntax = UID(dataset.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian))
    if syntax in accepted and syntax != ExplicitVRBigEndian:
        return dataset
    target = next((one for one in UNCOMPRESSED if one in accepted), None)
    if target is None:
        raise ValueError("the peer takes no transfer syntax that this object can have")
    if syntax == ExplicitVRBigEndian:
        dataset.walk(_swapped)
    elif syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
        _decompress(dataset)
    return _written(dataset, target)


def _decompress(dataset: Dataset) -> None:
    try:
        dataset.decompress(generate_instance_uid=False)
    except (RuntimeError, NotImplementedError, AttributeError) as exc:
        raise ValueError("the peer takes it uncompressed alone, and it cannot be decoded") from exc


def _written(dataset: Dataset, target: UID) -> Dataset:
    dataset.file_meta.TransferSyntaxUID = target
    content = BytesIO()
    dcmwrite(content, dataset, implicit_vr=target.is_implicit_VR, little_endian=True)
    content.seek(0)
    return dcmread(content, force=True)


def _swapped(_dataset: Dataset, element: DataElement) -> None:
    """Turn the words of a bulk value round: pydicom keeps them as they were read."""
    size = _WORD_BYTES.get(element.VR)
    if size and element.value:
        element.value = np.frombuffer(element.value, f">u{size}").astype(f"<u{size}").tobytes()
