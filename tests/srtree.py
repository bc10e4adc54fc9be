"""Reports written and read back, and ways through their content trees."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node import codes
from dicom_node.codes import Code
from dicom_node.report.encode import to_file
from dicom_node.report.provenance import Station
from dicom_node.report.sr import SrWriter
from tests import builders

WRITER = SrWriter(Station("AITRIAGE"))


def report(images: Sequence[Dataset], **changes: Any) -> Dataset:
    result = builders.result(images, **changes)
    return dcmread(BytesIO(to_file(WRITER.write(result, images, []))))


def film_report(**changes: Any) -> Dataset:
    return report([builders.Film().build()], **changes)


def name(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


def children(item: Dataset, wanted: str) -> list[Dataset]:
    return [child for child in item.get("ContentSequence", []) if name(child) == wanted]


def tree(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", []):
        yield child
        yield from tree(child)


def groups(ds: Dataset) -> list[Dataset]:
    (measurements,) = children(ds, "126010")
    return children(measurements, "125007")


def code_of(item: Dataset) -> Code:
    value = item.ConceptCodeSequence[0]
    return Code(value.CodeValue, value.CodingSchemeDesignator, value.CodeMeaning)


def evaluations(ds: Dataset) -> Dataset:
    (container,) = children(ds, codes.QUALITATIVE_EVALUATIONS.value)
    return container
