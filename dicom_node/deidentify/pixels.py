"""Pixel data without what may be hidden in it."""

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless


def unpacked(image: Dataset) -> None:
    """Store the pixels plain, and nothing beside them; raises what pydicom's decoders raise.

    A JPEG or JPEG 2000 stream has room for comments and EXIF, and native pixel data may be longer
    than the image: all of that goes.
    """
    syntax = image.file_meta.TransferSyntaxUID
    if syntax.is_compressed and not syntax.is_deflated:
        plugin = "pydicom" if syntax == RLELossless else ""  # pylibjpeg-rle panics on damage
        image.decompress(generate_instance_uid=False, decoding_plugin=plugin)
    elif not (syntax.is_little_endian and not syntax.is_deflated):
        pixels = image.pixel_array
        image.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    size = image.Rows * image.Columns * image.SamplesPerPixel * image.BitsAllocated // 8
    size *= int(image.get("NumberOfFrames") or 1)
    if len(image.PixelData) < size:
        raise ValueError("the pixel data is too short")
    image.PixelData = image.PixelData[:size] + b"\0" * (size % 2)
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
