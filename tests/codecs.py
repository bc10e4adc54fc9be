"""Small images of each kind of pixels, in each transfer syntax that they may be stored in."""

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from dicom_node import uids
from tests.dcmtk import dcmtk

_ROWS, _COLUMNS = 32, 48


@dataclass(frozen=True)
class Source:
    """A stored image."""

    name: str
    study: str
    series: str
    instance: str
    content: bytes


@dataclass(frozen=True)
class _Kind:
    """How the pixels lie: ``shape`` of one frame, ``bits`` allocated and stored."""

    dtype: DTypeLike
    highest: int
    shape: tuple[int, ...] = (_ROWS, _COLUMNS)
    frames: int = 1
    photometric: str = "MONOCHROME2"
    stored: int = 0


KINDS: Mapping[str, _Kind] = {
    "grey8": _Kind(np.uint8, 255),
    "grey12": _Kind(np.uint16, 4095, stored=12),
    "grey16": _Kind(np.uint16, 65535),
    "signed8": _Kind(np.int8, 127),
    "signed16": _Kind(np.int16, 32767),
    "grey8-in-16": _Kind(np.uint16, 255, stored=8),
    "rgb": _Kind(np.uint8, 255, (_ROWS, _COLUMNS, 3), photometric="RGB"),
    "ybr": _Kind(np.uint8, 255, (_ROWS, _COLUMNS, 3), photometric="YBR_FULL"),
    "ybr422": _Kind(np.uint8, 255, (_ROWS, _COLUMNS, 2), photometric="YBR_FULL_422"),
    "palette": _Kind(np.uint8, 255, photometric="PALETTE COLOR"),
    "frames8": _Kind(np.uint8, 255, frames=3),
    "frames16": _Kind(np.uint16, 4095, frames=3, stored=12),
    "tiny": _Kind(np.uint8, 255, (1, 1)),
}
BITS = "bits"
"""One bit a pixel, which no codec of DICOM compresses here."""

_BY_PYDICOM: Mapping[str, tuple[str, dict[str, Any]]] = {
    "jpeg-ls": (JPEGLSLossless, {}),
    "jpeg-ls-near": (JPEGLSNearLossless, {"jls_error": 2}),
    "jpeg-2000": (JPEG2000Lossless, {}),
    "jpeg-2000-lossy": (JPEG2000, {"j2k_cr": [5]}),
    "rle": (RLELossless, {}),
}
_BY_DCMTK: Mapping[str, tuple[str, str]] = {
    "jpeg-lossless": ("dcmcjpeg", "+e1"),
    "jpeg-baseline": ("dcmcjpeg", "+eb"),
    "jpeg-extended": ("dcmcjpeg", "+ee"),
    "big-endian": ("dcmconv", "+tb"),
    "implicit": ("dcmconv", "+ti"),
}
STORED = ("explicit", *_BY_PYDICOM, *_BY_DCMTK)


def sources(folder: Path, kinds: tuple[str, ...], stored: tuple[str, ...]) -> Iterator[Source]:
    """Yield each image that can be encoded so; what its codec does not know is left out."""
    for kind in kinds:
        for syntax in stored:
            ds = _bits(syntax) if kind == BITS else _image(kind, syntax)
            content = _encoded(ds, syntax, folder)
            if content is not None:
                yield Source(
                    f"{kind} {syntax}",
                    str(ds.StudyInstanceUID),
                    str(ds.SeriesInstanceUID),
                    str(ds.SOPInstanceUID),
                    content,
                )


def _encoded(ds: Dataset, syntax: str, folder: Path) -> bytes | None:
    if syntax in _BY_PYDICOM:
        uid, options = _BY_PYDICOM[syntax]
        try:
            ds.compress(uid, generate_instance_uid=False, **options)
        except (ValueError, RuntimeError):
            return None
    if syntax not in _BY_DCMTK:
        return _bytes(ds)
    program, option = _BY_DCMTK[syntax]
    plain, made = folder / "plain.dcm", folder / "made.dcm"
    plain.write_bytes(_bytes(ds))
    made.unlink(missing_ok=True)
    done = subprocess.run(
        [dcmtk(program), option, plain, made], capture_output=True, timeout=60, check=False
    )
    if done.returncode != 0:
        return None
    uid = str(dcmread(made, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
    return made.read_bytes() if uid == ds.SOPInstanceUID else _renamed(made, ds)


def _renamed(made: Path, ds: Dataset) -> bytes:
    """Give a lossy image back its UID, by which the tests ask for it."""
    again = dcmread(made)
    again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return _bytes(again)


def _bytes(ds: Dataset) -> bytes:
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _image(name: str, syntax: str) -> Dataset:
    kind = KINDS[name]
    count = kind.frames * int(np.prod(kind.shape))
    pixels: NDArray[Any] = (np.arange(count) * 7919 % (kind.highest + 1)).astype(kind.dtype)
    ds = _plain(name, syntax, SecondaryCaptureImageStorage)
    ds.Rows, ds.Columns = kind.shape[:2]
    ds.PhotometricInterpretation = kind.photometric
    ds.SamplesPerPixel = 3 if len(kind.shape) > 2 else 1
    if ds.SamplesPerPixel == 3:
        ds.PlanarConfiguration = 0
    if kind.frames > 1:
        ds.NumberOfFrames = kind.frames
    bits = pixels.dtype.itemsize * 8
    stored = kind.stored or bits
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, stored, stored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    if kind.photometric == "PALETTE COLOR":
        _paint(ds)
    return _with(ds, pixels.tobytes(), "OW" if bits > 8 else "OB")


def _bits(syntax: str) -> Dataset:
    ds = _plain(BITS, syntax, MultiFrameSingleBitSecondaryCaptureImageStorage)
    ds.Rows, ds.Columns, ds.NumberOfFrames = _ROWS, _COLUMNS, 2
    ds.PhotometricInterpretation, ds.SamplesPerPixel = "MONOCHROME2", 1
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 1, 1, 0, 0
    return _with(ds, np.packbits(np.arange(2 * _ROWS * _COLUMNS) % 2 == 0).tobytes(), "OB")


def _paint(ds: Dataset) -> None:
    ramp = (np.arange(256) * 256).astype("<u2").tobytes()
    for colour in ("Red", "Green", "Blue"):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{colour}PaletteColorLookupTableData", ramp)


def _plain(kind: str, syntax: str, sop_class: str) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian

    def derived(what: str) -> UID:
        return UID(uids.derive("codecs", kind, syntax, what))

    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = derived("instance")
    ds.StudyInstanceUID, ds.SeriesInstanceUID = derived("study"), derived("series")
    ds.PatientID, ds.PatientName = f"SYNTHETIC-{kind}", "SYNTHETIC^Codec"
    ds.Modality, ds.ConversionType = "OT", "WSD"
    return ds


def _with(ds: Dataset, pixels: bytes, representation: str) -> Dataset:
    ds.PixelData = pixels + b"\0" * (len(pixels) % 2)
    ds["PixelData"].VR = representation
    return ds
