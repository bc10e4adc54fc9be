"""The heatmap as Secondary Capture."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.domain import Heatmap
from dicom_node.errors import ReportError
from dicom_node.report import overlay
from dicom_node.report.encode import to_file
from dicom_node.report.heatmap import HeatmapWriter
from dicom_node.report.provenance import Station
from tests import builders

WRITER = HeatmapWriter(Station("AITRIAGE"))


def picture(images: Sequence[Dataset], heatmaps: Sequence[Heatmap]) -> Dataset:
    return dcmread(BytesIO(to_file(WRITER.write(builders.result(images), images, heatmaps))))


def test_write_says_what_it_is() -> None:
    film = builders.Film().build()

    ds = picture([film], [builders.heatmap(film)])

    assert (ds.Modality, ds.SeriesNumber, ds.ConversionType) == ("OT", 9004, "WSD")
    assert ds.SeriesDescription.endswith("heatmap (RESEARCH)")
    assert ds.ImageType == ["DERIVED", "SECONDARY", "OTHER"]
    assert ds.BurnedInAnnotation == "YES"
    assert ds.BodyPartExamined == "CHEST"
    assert ds.PatientOrientation == ["L", "F"]
    assert "COVID-19" in ds.DerivationDescription
    (source,) = ds.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == film.SOPInstanceUID
    assert source.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    assert (ds.PhotometricInterpretation, ds.BitsAllocated) == ("RGB", 8)


def test_write_colours_the_warm_corner_and_nothing_else() -> None:
    film = builders.Film(rows=300, columns=240).build()
    shown = builders.heatmap(film)

    pixels = picture([film], [shown]).pixel_array[-300:].astype(int)

    assert pixels.shape == (300, 240, 3)
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    assert (spread[:95, :75] > 50).all()
    assert (spread[105:, 85:] == 0).all()
    assert np.abs(pixels[105:, 85:, 0] - 255 * shown.image[105:, 85:]).max() <= 1


def test_write_lossy_source_is_told() -> None:
    film = builders.Film().build()
    film.LossyImageCompression = "01"
    film.LossyImageCompressionRatio = "12.5"
    film.LossyImageCompressionMethod = "ISO_10918_1"

    ds = picture([film], [builders.heatmap(film)])

    assert (ds.LossyImageCompression, ds.LossyImageCompressionRatio) == ("01", 12.5)


def test_write_prefers_what_is_present() -> None:
    film = builders.Film().build()
    both = [builders.heatmap(film, "normal"), builders.heatmap(film, "covid19")]
    assert "COVID-19" in picture([film], both).DerivationDescription
    assert "Normal" in picture([film], both[:1]).DerivationDescription


def test_write_of_a_slice_refers_to_that_slice() -> None:
    images = builders.Series(slices=12).build()
    ds = picture(images, [builders.heatmap(images[5])])
    assert ds.SourceImageSequence[0].ReferencedSOPInstanceUID == images[5].SOPInstanceUID


def test_write_without_a_heatmap_raises() -> None:
    film = builders.Film().build()
    with pytest.raises(ReportError, match="no heatmap"):
        WRITER.write(builders.result([film]), [film], [])


def test_write_heatmap_of_a_strange_image_raises() -> None:
    film = builders.Film().build()
    other = builders.Film("other").build()
    with pytest.raises(ReportError, match="was not read"):
        WRITER.write(builders.result([film]), [film], [builders.heatmap(other)])


@settings(max_examples=40)
@given(st.integers(1, 1500), st.integers(1, 1500), st.integers(1, 64))
def test_draw_any_shape_keeps_aspect_and_limit(rows: int, columns: int, coarse: int) -> None:
    image = np.zeros((rows, columns), np.float32)
    weights = np.full((coarse, coarse), np.nan, np.float32)

    drawn = overlay.draw(image, weights, "RESEARCH USE ONLY")

    height, width, channels = drawn.shape
    banner = max(12, width // 32)
    assert channels == 3
    assert max(height - banner, width) <= 1024
    scale = min(1, 1024 / max(rows, columns))
    assert abs(width - columns * scale) <= 1
    assert abs(height - banner - rows * scale) <= 1
    assert not drawn[banner:].any(), "no weight, no colour"


def test_draw_banner_is_legible_and_fits() -> None:
    drawn = overlay.draw(np.zeros((200, 200), np.float32), np.zeros((7, 7), np.float32), "W" * 60)
    strip = drawn[:12]
    assert strip.any()
    assert not strip[:, :1].any()
    assert not strip[:, -1:].any()


def test_write_of_several_slices_shows_the_one_that_the_region_is_on() -> None:
    images = builders.Series(slices=12).build()
    result = builders.result(images)  # its regions are on the first
    heatmaps = [builders.heatmap(images[place]) for place in (4, 0, 7)]

    first = WRITER.write(result, images, heatmaps)
    further = WRITER.further(result, images, heatmaps)

    drawn = [first, *further]
    shown = [ds.SourceImageSequence[0].ReferencedSOPInstanceUID for ds in drawn]
    assert shown[0] == result.findings[0].region.sop_instance_uid
    assert shown == [images[place].SOPInstanceUID for place in (0, 4, 7)]
    assert [ds.InstanceNumber for ds in drawn] == [1, 2, 3]
    assert len({ds.SOPInstanceUID for ds in drawn}) == len(drawn)
    assert {ds.SeriesInstanceUID for ds in drawn} == {WRITER.reference(result).series_instance_uid}
    assert to_file(further[1]) == to_file(WRITER.further(result, images, heatmaps)[1])


def test_further_of_one_image_is_nothing() -> None:
    film = builders.Film().build()
    assert WRITER.further(builders.result([film]), [film], [builders.heatmap(film)]) == ()
