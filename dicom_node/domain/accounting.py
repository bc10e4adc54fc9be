"""What became of each image of a study: read, or left out for a reason."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from dicom_node.domain.refusal import RefusalCode


class Omission(StrEnum):
    """Why a sound image is not read beside others that are."""

    OTHER_KIND = "OTHER_KIND"
    OTHER_SERIES = "OTHER_SERIES"
    OTHER_ACQUISITION = "OTHER_ACQUISITION"
    OTHER_GEOMETRY = "OTHER_GEOMETRY"
    REPEATED_POSITION = "REPEATED_POSITION"
    STRAY_POSITION = "STRAY_POSITION"
    BEYOND_LIMITS = "BEYOND_LIMITS"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an image is left out: a code, and one sentence for the reader."""

    code: RefusalCode | Omission
    reason: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many images are left out for one reason."""

    count: int
    code: RefusalCode | Omission
    reason: str


@dataclass(frozen=True, slots=True)
class Images:
    """The account of a study's images: ``read`` and those left out are the ``eligible`` ones.

    ``eligible`` counts the images of a modality that the node reads, ``read`` those that the
    model's input was made of, whatever spacing it samples them with.
    """

    eligible: int
    read: int
    left_out: tuple[LeftOut, ...]

    def sentences(self) -> tuple[str, ...]:
        """Return what a report says of the images that were not read."""
        return tuple(
            f"Not read: {one.count} image{'s' if one.count > 1 else ''}. {one.reason}"
            for one in self.left_out
        )


def refused(uids: Collection[str], refusal: Reason, told: Mapping[str, tuple[str, str]]) -> Images:
    """Account for a study of which nothing is read; ``told`` says more of single images."""
    reasons = {uid: _reason(told[uid]) if uid in told else refusal for uid in uids}
    return account((), reasons)


def _reason(told: tuple[str, str]) -> Reason:
    code, reason = told
    known = RefusalCode.__members__
    return Reason(RefusalCode(code) if code in known else Omission(code), reason)


def account(read: Collection[str], reasons: Mapping[str, Reason]) -> Images:
    """Count the images that were read, and by reason those left out, most of them first.

    Both are named by SOP Instance UID; one that was read needs no reason.
    """
    left = Counter(reason for uid, reason in reasons.items() if uid not in read)
    return Images(
        eligible=len(set(read)) + left.total(),
        read=len(set(read)),
        left_out=tuple(LeftOut(n, why.code, why.reason) for why, n in left.most_common()),
    )
