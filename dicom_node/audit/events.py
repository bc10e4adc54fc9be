"""What each action of the trail is in the words of PS3.15 A.5 (CID 400, CID 401, CID 403)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dicom_node.codes import Code


class Deed(StrEnum):
    """EventActionCode."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    EXECUTE = "E"


class Outcome(StrEnum):
    """EventOutcomeIndicator."""

    SUCCESS = "0"
    MINOR_FAILURE = "4"
    SERIOUS_FAILURE = "8"


@dataclass(frozen=True, slots=True)
class Event:
    """EventID, EventActionCode, EventOutcomeIndicator and, where there is one, EventTypeCode."""

    event_id: Code
    deed: Deed
    outcome: Outcome = Outcome.SUCCESS
    kind: Code | None = None


APPLICATION_ACTIVITY: Final = Code("110100", "DCM", "Application Activity")
AUDIT_LOG_USED: Final = Code("110101", "DCM", "Audit Log Used")
INSTANCES_ACCESSED: Final = Code("110103", "DCM", "DICOM Instances Accessed")
INSTANCES_TRANSFERRED: Final = Code("110104", "DCM", "DICOM Instances Transferred")
EXPORT: Final = Code("110106", "DCM", "Export")
PROCEDURE_RECORD: Final = Code("110111", "DCM", "Procedure Record")
QUERY: Final = Code("110112", "DCM", "Query")
SECURITY_ALERT: Final = Code("110113", "DCM", "Security Alert")
USER_AUTHENTICATION: Final = Code("110114", "DCM", "User Authentication")
_START: Final = Code("110120", "DCM", "Application Start")
_STOP: Final = Code("110121", "DCM", "Application Stop")
_LOGIN: Final = Code("110122", "DCM", "Login")
_LOGOUT: Final = Code("110123", "DCM", "Logout")
_SECURITY_CONFIGURATION: Final = Code("110129", "DCM", "Security Configuration")
_SOFTWARE_CONFIGURATION: Final = Code("110131", "DCM", "Software Configuration")

APPLICATION: Final = Code("110150", "DCM", "Application")
STUDY_INSTANCE_UID: Final = Code("110180", "DCM", "Study Instance UID")
OWN_SCHEME: Final = "99DCMNODE"

EVENTS: Final = {
    "node.start": Event(APPLICATION_ACTIVITY, Deed.EXECUTE, kind=_START),
    "node.stop": Event(APPLICATION_ACTIVITY, Deed.EXECUTE, kind=_STOP),
    "login": Event(USER_AUTHENTICATION, Deed.EXECUTE, kind=_LOGIN),
    "login.failed": Event(USER_AUTHENTICATION, Deed.EXECUTE, Outcome.MINOR_FAILURE, _LOGIN),
    "logout": Event(USER_AUTHENTICATION, Deed.EXECUTE, kind=_LOGOUT),
    "audit.read": Event(AUDIT_LOG_USED, Deed.READ),
    "worklist.open": Event(QUERY, Deed.EXECUTE),
    "study.open": Event(INSTANCES_ACCESSED, Deed.READ),
    "study.export": Event(EXPORT, Deed.READ),
    "study.refused": Event(PROCEDURE_RECORD, Deed.UPDATE, Outcome.MINOR_FAILURE),
    "study.failed": Event(PROCEDURE_RECORD, Deed.UPDATE, Outcome.SERIOUS_FAILURE),
    "run.request": Event(PROCEDURE_RECORD, Deed.CREATE),
    "run.retry": Event(PROCEDURE_RECORD, Deed.UPDATE),
    "run.reported": Event(INSTANCES_ACCESSED, Deed.CREATE),
    "run.refused": Event(PROCEDURE_RECORD, Deed.UPDATE, Outcome.MINOR_FAILURE),
    "run.failed": Event(PROCEDURE_RECORD, Deed.UPDATE, Outcome.SERIOUS_FAILURE),
    "report.assess": Event(PROCEDURE_RECORD, Deed.UPDATE),
    "report.deliver": Event(INSTANCES_TRANSFERRED, Deed.READ),
    "settings.use": Event(SECURITY_ALERT, Deed.EXECUTE, kind=_SECURITY_CONFIGURATION),
    "policy.use": Event(SECURITY_ALERT, Deed.EXECUTE, kind=_SOFTWARE_CONFIGURATION),
    "model.use": Event(SECURITY_ALERT, Deed.EXECUTE, kind=_SOFTWARE_CONFIGURATION),
}
_OTHER: Final = Event(APPLICATION_ACTIVITY, Deed.EXECUTE)


def event_of(action: str) -> Event:
    """Return what an action is; one without an own event is an activity of the application.

    The action itself goes along as a second EventTypeCode in each case.
    """
    return EVENTS.get(action, _OTHER)
