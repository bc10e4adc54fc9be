"""From findings to a reading priority, by the table in the policy."""

from collections.abc import Sequence

from dicom_node.domain import Finding, Priority
from dicom_node.policy import Policy


def prioritise(findings: Sequence[Finding], policy: Policy) -> tuple[Priority, str]:
    """Return the priority, and one sentence that says why.

    The first rule of the policy that fits a finding decides; without one, its default. Where a
    label occurs more than once, the most probable finding that fits gives the reason.
    """
    for rule in policy.priority:
        fits = [f for f in findings if (f.label, f.presence) == (rule.finding, rule.presence)]
        if fits:
            return rule.priority, _reason(max(fits, key=lambda f: f.probability))
    return policy.priority_default.priority, "no finding that the priority table names"


def _reason(finding: Finding) -> str:
    probability, threshold = _percent(finding.probability), _percent(finding.threshold)
    return f"{finding.label} {finding.presence} ({probability}, threshold {threshold})"


def _percent(share: float) -> str:
    return f"{round(100 * share, 1):g} %"
