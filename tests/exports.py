"""Objects of a marked patient, and what is left of him in a file."""

from io import BytesIO

from pydicom import dcmwrite
from pydicom.dataset import Dataset

from dicom_node import policy
from dicom_node.deidentify import pixels
from dicom_node.pixels import decode
from dicom_node.report import registry
from tests import builders
from tests.marks import MARKS, forms, marked

WRITERS = registry.writers("AITRIAGE")
LIMITS = policy.load().limits


def encoded(dataset: Dataset) -> bytes:
    """Return the file of an object."""
    target = BytesIO()
    dcmwrite(target, dataset, enforce_file_format=True)
    return target.getvalue()


def store(image: Dataset) -> None:
    """Store the pixels plain, as an export does."""
    pixels.store(image, decode.stored(image, LIMITS))


def left_from(file: bytes) -> list[str]:
    """Return the marks that a file holds in any form."""
    return [mark for mark in MARKS for form in forms(mark) if form in file]


def objects(kind: str) -> list[Dataset]:
    """Return a marked image with its report and heatmap."""
    images = [marked(builders.Film("marked").build())]
    if kind == "CT":
        images = [marked(one) for one in builders.Series("marked", slices=3).build()]
    result = builders.result(images, measurements=(builders.measurement(images[0]),),
                             notes=(f"The header names the body part {MARKS[0]}.",))  # fmt: skip
    maps = [builders.heatmap(images[0])]
    return [*images, *(w.write(result, images, maps) for w in WRITERS.values())]
