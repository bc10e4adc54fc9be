"""The clinical policy: one versioned TOML file, hashed into every report.

The hash is taken over the rules, not over the file's bytes, and leaves out sections that change
no report: ``shadow`` (docs/decisions/0007-shadow.md), ``resent``, ``retry``, ``lease``,
``urgency`` (docs/decisions/0013-intake-rules.md) and ``storage``. A new rule there
must not make a new run of every study.
"""

import hashlib
import json
import random
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dicom_node import storable
from dicom_node.domain import Presence, Priority, Resend, StudyKind, Urgency
from dicom_node.errors import SettingsError

DEFAULT_FILE = storable.DEFAULT_FILE

_NO_REPORT = frozenset({"shadow", "resent", "retry", "lease", "urgency", "storage"})

_Seconds = Annotated[float, Field(ge=0)]

_MOST_DOUBLINGS = 60
"""Of a pause: more than any bound, and less than a float holds."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Eligibility(_Section):
    """Which modalities may be read at all."""

    modalities: frozenset[str]


class Storage(_Section):
    """Which SOP classes are stored: groups of `storable.GROUPS` and single UIDs.

    ``deflated``: whether files of the deflated transfer syntax are, over HTTP.
    """

    sop_classes: tuple[str, ...] = storable.DEFAULT
    deflated: bool = False

    @field_validator("sop_classes")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if faults := [told for name in names if (told := storable.fault(name))]:
            raise ValueError("; ".join(faults))
        return names


class Completeness(_Section):
    """When a series counts as complete."""

    cxr_quiet_s: _Seconds
    ct_quiet_s: _Seconds
    ct_deadline_s: _Seconds

    @model_validator(mode="after")
    def _deadline_after_quiet(self) -> Self:
        if self.ct_deadline_s < self.ct_quiet_s:
            raise ValueError("ct_deadline_s must not be shorter than ct_quiet_s")
        return self

    @property
    def longest_s(self) -> float:
        """The longest that any study is waited for after its last image."""
        return max(self.cxr_quiet_s, self.ct_quiet_s, self.ct_deadline_s)


class Resent(_Section):
    """What becomes of a study that has been read, when its images are stored again."""

    policy: Resend = Resend.CHANGED


class Limits(_Section):
    """Sizes beyond which the node refuses."""

    ct_min_slices: int = Field(ge=1)
    ct_max_slices: int = Field(ge=1)
    max_pixels_per_image: int = Field(ge=1)
    min_edge_px: int = Field(ge=1)
    study_max_bytes: int = Field(default=2 << 30, ge=1)


class Retry(_Section):
    """How often a run that failed in a way that may pass is tried again, and one whose worker died.

    The two are counted apart: a death says nothing of the archive, nor the archive of the study.
    """

    attempts: int = Field(ge=1)
    worker_deaths: int = Field(default=3, ge=1)
    first_delay_s: _Seconds
    longest_delay_s: _Seconds

    def delay_s(self, attempt: int) -> float:
        """Return the longest pause after the given attempt (1 = first): doubling, up to a bound."""
        doublings = min(attempt - 1, _MOST_DOUBLINGS)
        return min(self.first_delay_s * 2.0**doublings, self.longest_delay_s)

    def pause_s(self, attempt: int) -> float:
        """Return a pause between half of `delay_s` and all of it.

        What failed together, as when Orthanc was away, must not come back all at once.
        """
        return self.delay_s(attempt) * random.SystemRandom().uniform(0.5, 1.0)


class Lease(_Section):
    """How long a silent worker keeps a run."""

    seconds: float = Field(gt=0)


class UrgencyRule(_Section):
    """What makes a study urgent before it is read; each pattern given must fit.

    Patterns are those of a shell (``*``, ``?``); upper and lower case are one.
    """

    sender: str = "*"
    modality: str = "*"
    description: str = "*"
    urgency: Urgency

    def fits(self, sender: str, modality: str, description: str) -> bool:
        """Tell whether a study of this sender, modality and description is meant."""
        pairs = (
            (sender, self.sender), (modality, self.modality), (description, self.description)
        )  # fmt: skip
        return all(fnmatchcase(value.lower(), pattern.lower()) for value, pattern in pairs)


class UrgencyRules(_Section):
    """Which run starts first; the first rule that fits decides, beside the order itself."""

    rise_s: float = Field(default=600, gt=0)
    rules: tuple[UrgencyRule, ...] = ()

    def of(self, sender: str, modality: str, description: str) -> Urgency | None:
        """Return what the first fitting rule says; None where none fits."""
        fitting = (r.urgency for r in self.rules if r.fits(sender, modality, description))
        return next(fitting, None)


class PriorityRule(_Section):
    """One row of the priority table."""

    finding: str
    presence: Presence
    priority: Priority


class PriorityDefault(_Section):
    """What applies where no rule fits."""

    priority: Priority


class Policy(_Section):
    """The whole policy; ``hash`` names it in reports and run identities."""

    version: str
    models: dict[StudyKind, str]
    shadow: dict[StudyKind, str] = Field(default_factory=dict)
    storage: Storage = Field(default_factory=Storage)
    eligibility: Eligibility
    completeness: Completeness
    resent: Resent = Field(default_factory=Resent)
    limits: Limits
    retry: Retry
    lease: Lease
    urgency: UrgencyRules = Field(default_factory=UrgencyRules)
    waiting: dict[Priority, float]
    priority: tuple[PriorityRule, ...]
    priority_default: PriorityDefault
    hash: str

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if missing := set(Priority) - self.waiting.keys():
            raise ValueError(f"waiting lacks {', '.join(sorted(missing))}")
        return self

    @model_validator(mode="after")
    def _shadow_beside_another(self) -> Self:
        for kind, name in self.shadow.items():
            if kind not in self.models:
                raise ValueError(f"shadow names a model for {kind}, but models serves none")
            if name == self.models[kind]:
                raise ValueError(f"shadow names {name} for {kind}, which is the model served")
        return self


def load(file: Path | None = None) -> Policy:
    """Read and validate a policy file; raise SettingsError that lists every fault."""
    path = file or DEFAULT_FILE
    try:
        rules = tomllib.loads(path.read_bytes().decode())
        return Policy(**rules, hash=_hash(rules))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise SettingsError(f"policy file {path} cannot be read: {exc}") from exc
    except ValidationError as exc:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors())
        raise SettingsError(f"policy file {path} is wrong: {faults}") from exc


def _hash(rules: Mapping[str, object]) -> str:
    """Return the SHA-256 of all that can change a report."""
    kept = {name: rule for name, rule in rules.items() if name not in _NO_REPORT}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()
