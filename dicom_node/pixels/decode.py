"""Stored pixel values of one image, whatever its transfer syntax, or a refusal by name."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
    RLELossless,
)

from dicom_node.damage import UNREADABLE
from dicom_node.domain import RefusalCode
from dicom_node.errors import PixelError
from dicom_node.pixels import codestream, header
from dicom_node.pixels.load import TOO_MUCH_MEMORY
from dicom_node.policy import Limits

_PLUGINS = {RLELossless: "pydicom"}
"""Decoders not left to pydicom's choice: pylibjpeg-rle panics on damaged frames, past `except`."""

_MAY_LOSE = frozenset({
    JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000, HTJ2K,
})  # fmt: skip
"""Syntaxes whose decoded values may lie beside the original ones."""
_SEQUENTIAL_JPEG = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit})
GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLOUR = frozenset({
    "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT",
})  # fmt: skip

_PIXEL_MODULE = (
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
)  # fmt: skip

_RLE_HEADER = 64

_TINT = 24
"""Channels of a grey image may differ by this much of 255: YBR rounding and JPEG noise."""
_TINTED_SHARE = 0.001
"""A larger share of tinted pixels is colour somebody put there."""


def frame(ds: Dataset, limits: Limits) -> NDArray[np.int32]:
    """Decode a single-frame image to its stored values: int32 (rows, columns).

    Values lie within Bits Stored, signed where Pixel Representation says so; photometric
    interpretation, modality LUT and window are not applied. An image stored as RGB that shows
    greys only becomes grey.

    Raises PixelError: NO_PIXEL_DATA, INCONSISTENT_HEADER, MULTIFRAME_NOT_SUPPORTED,
    IMAGE_TOO_LARGE (from the header, before anything is allocated),
    TRANSFER_SYNTAX_NOT_SUPPORTED, SCREEN_CAPTURE (colour), UNDECODABLE.
    """
    check(ds, limits)
    uid = UID(header.transfer_syntax(ds))
    pixels = _decoded(ds, uid)
    if pixels.ndim == 3:  # noqa: PLR2004 (rows, columns, samples)
        return grey(pixels)
    return _within_bits_stored(pixels, ds, uid)


def stored(ds: Dataset, limits: Limits) -> NDArray[np.int32]:
    """Decode a single-frame image as `frame` does, colour left as it is: (rows, columns[, 3]) RGB.

    Raises PixelError as `frame` does, but for colour.
    """
    check(ds, limits)
    uid = UID(header.transfer_syntax(ds))
    return _within_bits_stored(_decoded(ds, uid), ds, uid)


def check(ds: Dataset, limits: Limits) -> None:
    """Refuse from the header alone what `frame` would not decode; raises PixelError as it does."""
    if "PixelData" not in ds or not header.binary(ds, "PixelData"):
        raise PixelError(RefusalCode.NO_PIXEL_DATA, "The object holds no pixel data.")
    rows, columns = _positive(ds, "Rows"), _positive(ds, "Columns")
    if (frames := header.integer(ds, "NumberOfFrames") or 1) > 1:
        raise PixelError(
            RefusalCode.MULTIFRAME_NOT_SUPPORTED,
            f"Multi-frame images ({frames} frames) are not read.",
        )
    if rows * columns > limits.max_pixels_per_image:
        raise PixelError(
            RefusalCode.IMAGE_TOO_LARGE,
            f"The image is {columns} x {rows} pixels; the limit is {limits.max_pixels_per_image}.",
        )
    _check_encoding(ds)
    _check_supported(header.transfer_syntax(ds))


def _positive(ds: Dataset, keyword: str) -> int:
    value = header.required_integer(ds, keyword)
    if value < 1:
        raise header.refuse(keyword, "is not positive")
    return value


def _check_encoding(ds: Dataset) -> None:
    photometric = header.text(ds, "PhotometricInterpretation")
    samples = header.required_integer(ds, "SamplesPerPixel")
    if photometric == "PALETTE COLOR":
        raise PixelError(RefusalCode.SCREEN_CAPTURE, "The image is in palette colour.")
    if (photometric, samples) not in {(p, 1) for p in GREY} | {(p, 3) for p in _COLOUR}:
        raise header.refuse("PhotometricInterpretation", "does not fit its samples per pixel")
    allocated = header.required_integer(ds, "BitsAllocated")
    if allocated not in {8, 16}:
        raise header.refuse("BitsAllocated", f"is {allocated}, not 8 or 16")
    if not 1 <= header.required_integer(ds, "BitsStored") <= allocated:
        raise header.refuse("BitsStored", "does not fit Bits Allocated")
    if header.required_integer(ds, "PixelRepresentation") not in {0, 1}:
        raise header.refuse("PixelRepresentation", "is neither 0 nor 1")


def _check_supported(uid: str) -> None:
    try:
        available = get_decoder(UID(uid)).is_available
    except NotImplementedError:
        available = False
    if not available:
        name = UID(uid).name or "none named"
        raise PixelError(
            RefusalCode.TRANSFER_SYNTAX_NOT_SUPPORTED,
            f"The transfer syntax cannot be decoded here: {name}.",
        )


def _decoded(ds: Dataset, uid: UID) -> NDArray[np.generic]:
    try:
        with header.tolerant():
            source = _up_to_high_bit(_checked_stream(ds, uid) if uid.is_encapsulated else ds)
            plugin = _PLUGINS.get(uid, "")
            pixels, _ = get_decoder(uid).as_array(source, index=0, decoding_plugin=plugin)
            return pixels
    except MemoryError as exc:
        raise PixelError(RefusalCode.IMAGE_TOO_LARGE, TOO_MUCH_MEMORY) from exc
    except (*UNREADABLE, RuntimeError) as exc:
        raise PixelError(
            RefusalCode.UNDECODABLE, f"The pixel data cannot be decoded as {uid.name}."
        ) from exc


def _checked_stream(ds: Dataset, uid: UID) -> Dataset:
    """Return a source for the decoder, its one frame checked against the header and repaired."""
    encoded = next(generate_frames(header.binary(ds, "PixelData"), number_of_frames=1))
    if uid == RLELossless:
        _check_run_lengths(ds, encoded)
    declared = codestream.size(encoded)
    if declared and declared != codestream.Size(ds.Rows, ds.Columns):
        raise PixelError(
            RefusalCode.INCONSISTENT_HEADER,
            f"The header says {ds.Columns} x {ds.Rows} pixels, the compressed image "
            f"{declared.columns} x {declared.rows}.",
        )
    if uid not in _SEQUENTIAL_JPEG or (repaired := codestream.repaired(encoded)) == encoded:
        return ds
    source = _pixel_module(ds)
    source.PixelData = encapsulate([repaired])
    return source


def _pixel_module(ds: Dataset) -> Dataset:
    source = Dataset()
    source.file_meta = ds.file_meta
    source.update({ds[keyword].tag: ds[keyword] for keyword in _PIXEL_MODULE if keyword in ds})
    return source


def _up_to_high_bit(ds: Dataset) -> Dataset:
    """Return a source of which pydicom keeps all bits up to High Bit, not the lower ones alone."""
    top = (_told_high_bit(ds) or 0) + 1
    if top <= int(ds.BitsStored):
        return ds
    source = _pixel_module(ds)
    source["PixelData"] = ds["PixelData"]
    source.add_new("BitsStored", "US", top)  # new elements: the old ones are the image's own
    source.add_new("HighBit", "US", top - 1)
    return source


def _check_run_lengths(ds: Dataset, encoded: bytes) -> None:
    """Refuse a frame that no encoder writes: run lengths double an image at the very most.

    A byte of them can stand for 64, and the decoder follows to the end (PS3.5 G.3).
    """
    bare = ds.Rows * ds.Columns * ds.SamplesPerPixel * ds.BitsAllocated // 8
    if len(encoded) > 2 * bare + _RLE_HEADER:
        raise PixelError(
            RefusalCode.INCONSISTENT_HEADER,
            f"The compressed image holds {len(encoded)} bytes where {bare} would be bare.",
        )


def _within_bits_stored(pixels: NDArray[np.generic], ds: Dataset, uid: UID) -> NDArray[np.int32]:
    """Keep what Bits Stored covers, up to High Bit: the others are undefined (PS3.5 8.1.1).

    They may hold an overlay, and a lossless codec keeps them. The sign is that of the highest
    bit stored, whatever the codec takes for one.
    """
    values = pixels.astype(np.int32)
    stored, signed = int(ds.BitsStored), bool(ds.PixelRepresentation)
    low, high = (-(1 << stored - 1), (1 << stored - 1) - 1) if signed else (0, (1 << stored) - 1)
    coded, is_exact = _coded(ds, uid)
    if coded > stored and not is_exact:
        # A lossy decoder may overshoot by a little; wrapping round would turn white to black.
        np.clip(values, low, high, out=values)
        return values
    unused = (_told_high_bit(ds) or 0) + 1 - stored
    if 0 < unused <= coded - stored:
        values >>= unused
    values &= (1 << stored) - 1
    if signed:
        values -= (values > high) * np.int32(1 << stored)
    return values


def _coded(ds: Dataset, uid: UID) -> tuple[int, bool]:
    """Return how many bits of each sample the frame holds, and whether they are the original's."""
    allocated = int(ds.BitsAllocated)
    if not uid.is_encapsulated or uid == RLELossless:
        return allocated, True
    encoded = next(generate_frames(header.binary(ds, "PixelData"), number_of_frames=1))
    is_exact = uid not in _MAY_LOSE or codestream.is_reversible(encoded)
    return codestream.precision(encoded) or allocated, is_exact


def _told_high_bit(ds: Dataset) -> int | None:
    """Return High Bit, None where it cannot be meant: it was often filled in carelessly."""
    told = header.told_number(ds, "HighBit")
    return int(told) if told is not None and 0 <= told < int(ds.BitsAllocated) else None


def grey(pixels: NDArray[np.generic]) -> NDArray[np.int32]:
    """Return the mean of three channels (rows, columns, 3) that agree; raises PixelError else."""
    colour = pixels.astype(np.int32)
    tint = (colour.max(axis=2) - colour.min(axis=2)) > _TINT
    if float(tint.mean()) > _TINTED_SHARE:
        raise PixelError(
            RefusalCode.SCREEN_CAPTURE, "The image is in colour: a screen capture or a photograph."
        )
    mean: NDArray[np.int32] = np.rint(colour.mean(axis=2)).astype(np.int32)
    return mean
