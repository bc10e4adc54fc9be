"""Content items, built from our codes."""

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    NumContentItem,
    RelationshipTypeValues,
    TextContentItem,
)

from dicom_node.codes import Code

CONTAINS = RelationshipTypeValues.CONTAINS
HAS_ACQ_CONTEXT = RelationshipTypeValues.HAS_ACQ_CONTEXT


def concept(code: Code) -> CodedConcept:
    """Return the code as highdicom writes it."""
    return CodedConcept(code.value, code.scheme, code.meaning)


def container(name: CodedConcept) -> ContainerContentItem:
    """Return an empty container; SEPARATE, or OHIF prints values without their names."""
    return ContainerContentItem(name=name, is_content_continuous=False, relationship_type=CONTAINS)


def code(name: CodedConcept, value: CodedConcept) -> CodeContentItem:
    """Return a contained CODE item."""
    return CodeContentItem(name=name, value=value, relationship_type=CONTAINS)


def text(name: CodedConcept, value: str) -> TextContentItem:
    """Return a contained TEXT item."""
    return TextContentItem(name=name, value=value, relationship_type=CONTAINS)


def number(name: CodedConcept, value: float, unit: Code) -> NumContentItem:
    """Return a NUM item that describes an image's acquisition."""
    return NumContentItem(
        name=name, value=value, unit=concept(unit), relationship_type=HAS_ACQ_CONTEXT
    )
