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
_ROLES_CHANGED: Final = Code("110136", "DCM", "Security Roles Changed")
_USER_CHANGED: Final = Code("110137", "DCM", "User Security Attributes Changed")

_APPLICATION: Final = Code("110150", "DCM", "Application")
_LAUNCHER: Final = Code("110151", "DCM", "Application Launcher")
_DESTINATION: Final = Code("110152", "DCM", "Destination Role ID")
_SOURCE: Final = Code("110153", "DCM", "Source Role ID")
_MEDIA: Final = Code("110154", "DCM", "Destination Media")

STUDY_INSTANCE_UID: Final = Code("110180", "DCM", "Study Instance UID")
NODE_ID: Final = Code("110182", "DCM", "Node ID")
FILES: Final = Code("110037", "DCM", "URI")
"""The medium of an export (CID 405)."""


@dataclass(frozen=True, slots=True)
class Roles:
    """RoleIDCode of who takes part: the application, the person, and a third, to whom data go."""

    application: Code = _APPLICATION
    person: Code | None = None
    receiver: Code | None = None


_ROLES: Final = {
    APPLICATION_ACTIVITY: Roles(person=_LAUNCHER),
    INSTANCES_TRANSFERRED: Roles(_SOURCE, receiver=_DESTINATION),
    EXPORT: Roles(_SOURCE, _SOURCE, _MEDIA),
    QUERY: Roles(_DESTINATION, _SOURCE),
}

EVENTS: Final = {
    "node.start": Event(APPLICATION_ACTIVITY, Deed.EXECUTE, kind=_START),
    "node.stop": Event(APPLICATION_ACTIVITY, Deed.EXECUTE, kind=_STOP),
    "login": Event(USER_AUTHENTICATION, Deed.EXECUTE, kind=_LOGIN),
    "login.failed": Event(USER_AUTHENTICATION, Deed.EXECUTE, Outcome.MINOR_FAILURE, _LOGIN),
    "logout": Event(USER_AUTHENTICATION, Deed.EXECUTE, kind=_LOGOUT),
    "audit.read": Event(AUDIT_LOG_USED, Deed.READ),
    "worklist.open": Event(QUERY, Deed.EXECUTE),
    "study.open": Event(INSTANCES_ACCESSED, Deed.READ),
    "study.fetch": Event(INSTANCES_ACCESSED, Deed.READ),
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
    "report.redeliver": Event(PROCEDURE_RECORD, Deed.UPDATE),
    "user.role": Event(SECURITY_ALERT, Deed.EXECUTE, kind=_ROLES_CHANGED),
    **{
        f"user.{verb}": Event(SECURITY_ALERT, Deed.EXECUTE, kind=_USER_CHANGED)
        for verb in ("add", "remove", "passwd", "disable", "enable", "logout")
    },
    "settings.use": Event(SECURITY_ALERT, Deed.EXECUTE, kind=_SECURITY_CONFIGURATION),
    "policy.use": Event(SECURITY_ALERT, Deed.EXECUTE, kind=_SOFTWARE_CONFIGURATION),
    "model.use": Event(SECURITY_ALERT, Deed.EXECUTE, kind=_SOFTWARE_CONFIGURATION),
}
_NO_OTHERS: Final = Roles()
_OTHER: Final = Event(APPLICATION_ACTIVITY, Deed.EXECUTE)


def event_of(action: str) -> Event:
    """Return what an action is; one without an own event is an activity of the application.

    The action itself goes along as a second EventTypeCode in each case.
    """
    return EVENTS.get(action, _OTHER)


def roles_of(event: Event) -> Roles:
    """Return who plays which part in an event (PS3.15 A.5.3)."""
    return _ROLES.get(event.event_id, _NO_OTHERS)
