"""When a study is complete: fast for a film, safe for a CT. Pure rules."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dicom_node.contiguity import contiguity, without_strays
from dicom_node.domain import SeriesRef, StudyKind, StudyRef
from dicom_node.intake.eligibility import Eligible
from dicom_node.policy import Policy

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def ready_at(eligible: Eligible, policy: Policy) -> datetime:
    """Return the earliest moment at which the study may be read, as things stand.

    A film: when its series has been quiet for ``cxr_quiet_s``. A CT: when it has been quiet for
    ``ct_quiet_s`` and each series of a stack lies slice behind slice; with slices missing, or
    too few to tell, when ``ct_deadline_s`` have passed since the last image.
    """
    rule = policy.completeness
    last = max((s.last_update or _LONG_AGO for s in eligible.series), default=_LONG_AGO)
    if eligible.kind is StudyKind.CXR:
        return last + timedelta(seconds=rule.cxr_quiet_s)
    whole = _is_whole(eligible.series, policy.limits.ct_min_slices)
    return last + timedelta(seconds=rule.ct_quiet_s if whole else rule.ct_deadline_s)


def settled_at(study: StudyRef, policy: Policy) -> datetime:
    """Return when a study of two identities may be judged: its images may be on their way, sent
    again under the corrected one."""
    last = max((s.last_update or _LONG_AGO for s in study.series), default=_LONG_AGO)
    return last + timedelta(seconds=policy.completeness.ct_quiet_s)


def _is_whole(series: Sequence[SeriesRef], min_slices: int) -> bool:
    """Whether at least one stack stands, and no stack has a hole.

    Images that were taken again and again at a few places, to watch contrast agent arrive, are
    no stack; and one absurd position is no hole.
    """
    found = [contiguity(without_strays(s.positions_mm)) for s in series]
    stacks = [one for one in found if len(one.positions_mm) >= min_slices]
    return bool(stacks) and all(one.is_contiguous for one in stacks)
