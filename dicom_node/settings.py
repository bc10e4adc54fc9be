"""The settings of a deployment: environment with prefix ``NODE_``, or ``node.toml``.

Read once for each process by `load`; nobody else looks at the environment. Values from the
environment win over ``node.toml``, which is looked for in NODE_HOME and named by NODE_CONFIG.
"""

import hashlib
import os
import re
import ssl
import tempfile
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from dicom_node import secret
from dicom_node.destination import DestinationSettings
from dicom_node.domain import Role
from dicom_node.errors import SettingsError

_LONGEST_SOCKET_PATH = 100
"""sun_path holds 108 bytes (unix(7)); the longest of our names fits below this."""

EVERY_ADDRESS: Final = IPv4Address("0.0.0.0")  # noqa: S104  # nosec B104  # compared with, chosen
LOOPBACK: Final = IPv4Address("127.0.0.1")
ORTHANC_USER: Final = "node"
"""The account in the node's own Orthanc, which nginx and the node's processes share."""

_INLINE: Final = frozenset(
    f"NODE_{name}"
    for name in ("DATABASE_PASSWORD", "REDIS_PASSWORD", "ORTHANC_PASSWORD", "INTERNAL_TOKEN")
)

OptionalFile = Annotated[Path | None, BeforeValidator(lambda value: value or None)]
"""An empty variable names no file, as in docker-compose.yml."""


class ModalitySettings(BaseModel):
    """A peer that may call the node's DICOM port; one that nobody names may not.

    Its certificate must hold its AE title, or else ``certificate_name``, as the common name or a
    DNS name, compared with case; or have the fingerprint ``certificate_sha256``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9-]{0,62}$")
    ae_title: str = Field(min_length=1, max_length=16)
    host: IPv4Address
    port: int = Field(default=104, ge=1, le=65535)
    may: frozenset[Literal["store", "find", "get", "move"]] = frozenset({"store"})
    tls: bool = True
    certificate_name: str = Field(default="", max_length=253)
    certificate_sha256: str = ""

    @field_validator("certificate_sha256")
    @classmethod
    def _as_digits(cls, text: str) -> str:
        """Take a fingerprint as OpenSSL prints it."""
        digits = text.replace(":", "").lower()
        if digits and not re.fullmatch("[0-9a-f]{64}", digits):
            raise ValueError("no SHA-256 fingerprint of a certificate")
        return digits


class ModelSettings(BaseModel):
    """A model of the site: a folder as training writes it, under a name of its own.

    ``like`` names the shipped model whose code reads these weights. A relative folder lies in
    NODE_HOME.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern="^[a-z0-9][a-z0-9._-]{0,62}$")
    folder: Path
    like: str


class OidcSettings(BaseModel):
    """A provider of OpenID Connect whose users may log in.

    ``roles`` maps values of the claim ``role_claim`` (of the ID token) to roles of the node; who
    has none of them is turned away.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])")
    client_id: str = Field(min_length=1)
    client_secret_file: Path
    role_claim: str = "roles"
    roles: dict[str, Role]
    ca_file: Path | None = None


class Settings(BaseSettings):
    """Everything a site sets; the defaults run a node on one machine."""

    model_config = SettingsConfigDict(env_prefix="NODE_", frozen=True, extra="ignore")

    home: Path = Path("var")
    http_port: int = Field(default=8042, ge=1, le=65535)
    dicom_port: int = Field(default=4242, ge=1, le=65535)
    ae_title: str = Field(default="AITRIAGE", min_length=1, max_length=16)
    database_url: str = ""
    database_password_file: OptionalFile = None
    redis_url: str = ""
    redis_password_file: OptionalFile = None
    orthanc_url: str = ""
    orthanc_http_port: int = Field(default=18042, ge=1, le=65535)
    orthanc_dicom_port: int = Field(default=14242, ge=1, le=65535)
    orthanc_ca_file: OptionalFile = None
    api_url: str = ""
    front_url: str = ""
    public_url: str = ""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    policy: Path | None = None
    time_zone: Annotated[ZoneInfo | None, BeforeValidator(lambda value: value or None)] = None
    allow_remote: bool = False
    bind_address: IPv4Address | None = None

    dicom_tls_certificate_file: OptionalFile = None
    dicom_tls_key_file: OptionalFile = None
    dicom_tls_ca_file: OptionalFile = None
    dicom_tls_crl_file: OptionalFile = None
    dicom_plain: bool = False
    dicom_deflated: bool = False
    http_plain: bool = False
    modalities: tuple[ModalitySettings, ...] = ()

    audit_syslog_host: str = ""
    audit_syslog_port: int = Field(default=6514, ge=1, le=65535)
    audit_syslog_ca_file: OptionalFile = None
    audit_syslog_certificate_file: OptionalFile = None
    audit_syslog_key_file: OptionalFile = None
    behind_tls_proxy: bool = False
    https_port: int = Field(default=8443, ge=1, le=65535)
    https_certificate_file: Path | None = None
    https_key_file: Path | None = None
    internal_token_file: Path | None = None
    session_idle_min: int = Field(default=60, ge=1)
    session_longest_h: int = Field(default=12, ge=1)
    oidc: OidcSettings | None = None

    orthanc_user: str = ""
    orthanc_memory_bytes: int | None = Field(default=None, ge=0)
    orthanc_password_file: OptionalFile = None
    stable_age_s: int = Field(default=1, ge=1)
    reconcile_s: float = Field(default=2, gt=0)
    visibility_s: float = Field(default=60, gt=0)
    checkpoints: Path | None = None
    disk_reserve_bytes: int = Field(default=1 << 30, ge=0)
    backlog: float = Field(default=0, ge=0)
    queue_limit: int = Field(default=10_000, ge=1)
    run_time_limit_s: float = Field(default=600, gt=0)
    worker_memory_bytes: int | None = Field(default=None, ge=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    destinations: tuple[DestinationSettings, ...] = ()
    models: tuple[ModelSettings, ...] = ()
    data: Path = Path("../shared/data")
    viewer: Path = Path(__file__).resolve().parents[1] / ".ohif"

    @model_validator(mode="before")
    @classmethod
    def _secrets_are_in_files(cls, given: object) -> object:
        """Refuse a secret by the name that it would have without its file."""
        there = {f"NODE_{name.upper()}" for name in given} if isinstance(given, dict) else set()
        for name in sorted(_INLINE & (there | set(os.environ))):
            raise ValueError(f"{name} may not hold a secret: write it to a file, {name}_FILE")
        return given

    @model_validator(mode="after")
    def _passwords_have_a_place(self) -> Self:
        """Refuse the file of a password for a URL that has one, or has no place for it."""
        for name, url, file, schemes in (
            ("DATABASE", self.database_url, self.database_password_file, ("postgresql",)),
            ("REDIS", self.redis_url, self.redis_password_file, ("redis:", "rediss:")),
        ):
            if file is None:
                continue
            if not url.startswith(schemes):
                raise ValueError(f"NODE_{name}_PASSWORD_FILE needs a NODE_{name}_URL of a server")
            if secret.is_in_url(url):
                raise ValueError(f"NODE_{name}_URL has a password beside NODE_{name}_PASSWORD_FILE")
        if self.database_password_file is not None and not urlsplit(self.database_url).username:
            raise ValueError("NODE_DATABASE_URL must name the user whose password is in a file")
        if self.orthanc_ca_file is not None and not self.orthanc_url.startswith("https:"):
            raise ValueError(
                "NODE_ORTHANC_CA_FILE needs a NODE_ORTHANC_URL that begins with https:"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, then ``node.toml``."""
        del dotenv_settings, file_secret_settings
        home = Path(os.environ.get("NODE_HOME", "var"))
        file = Path(os.environ.get("NODE_CONFIG", home / "node.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)

    @cached_property
    def root(self) -> Path:
        """NODE_HOME as an absolute path."""
        return self.home.expanduser().resolve()

    @cached_property
    def site_models(self) -> tuple[ModelSettings, ...]:
        """The site's own models, each with an absolute folder."""
        return tuple(
            model.model_copy(update={"folder": self.root / model.folder.expanduser()})
            for model in self.models
        )

    @cached_property
    def socket_dir(self) -> Path:
        """The folder of this node's sockets: NODE_HOME/run, or a short stand-in for it.

        A Unix socket's path holds at most 107 bytes, so a deep NODE_HOME gets a folder under
        the system's temporary directory, named by the hash of NODE_HOME.
        """
        folder = self.root / "run"
        if len(os.fsencode(folder)) + len("/supervisor.sock") <= _LONGEST_SOCKET_PATH:
            return folder
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"dicom-node-{os.getuid()}-{name}"

    @property
    def listen_address(self) -> IPv4Address:
        """The address of the node's ports: loopback, unless the site opens the node."""
        return self.bind_address or (EVERY_ADDRESS if self.allow_remote else LOOPBACK)

    @property
    def own_address(self) -> IPv4Address:
        """The address by which this machine itself reaches those ports."""
        return LOOPBACK if self.listen_address == EVERY_ADDRESS else self.listen_address

    @property
    def http_address(self) -> IPv4Address:
        """The address of the plain HTTP port; where the node ends TLS itself always loopback."""
        return self.listen_address if self.https_certificate_file is None else LOOPBACK

    @cached_property
    def orthanc_address(self) -> IPv4Address:
        """The address of this node's Orthanc: one of loopback's 16 million, by NODE_HOME's hash.

        So two nodes of one machine need no ports of their own for what nobody else shall reach,
        and no outgoing connection, which starts from 127.0.0.1, can have taken one.
        """
        part = hashlib.sha256(os.fsencode(self.root)).digest()
        return IPv4Address(bytes([127, 64 + part[0] % 128, part[1], 1 + part[2] % 254]))

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the ledger."""
        if self.database_password_file is not None:
            return secret.into_url(self.database_url, secret.read(self.database_password_file))
        return self.database_url or f"sqlite:///{self.root / 'ledger.sqlite3'}"

    @property
    def ledger_file(self) -> Path | None:
        """The ledger's file where it is SQLite's."""
        before, _, file = self.database.partition(":///")
        return Path(file.partition("?")[0]) if before.startswith("sqlite") else None

    @property
    def redis(self) -> str:
        """Celery URL of the broker."""
        if self.redis_password_file is not None:
            return secret.into_url(self.redis_url, secret.read(self.redis_password_file))
        return self.redis_url or f"redis+socket://{self.socket_dir / 'redis.sock'}"

    @property
    def orthanc(self) -> str:
        """Base URL of Orthanc's REST API, without a trailing slash; the front door leads there."""
        own = f"http://{self.orthanc_address}:{self.orthanc_http_port}"
        return (self.orthanc_url or own).rstrip("/")

    @property
    def front(self) -> str:
        """Base URL by which the node's own processes reach the front door, as people do."""
        address = LOOPBACK if self.http_address == EVERY_ADDRESS else self.http_address
        return (self.front_url or f"http://{address}:{self.http_port}").rstrip("/")

    @property
    def takes_dicom(self) -> bool:
        """Whether modalities call this node, and not somebody else's Orthanc; containers too."""
        return not self.orthanc_url or bool(self.front_url)

    @property
    def api(self) -> str:
        """Where the API process listens: ``unix:PATH`` or ``http://host:port``."""
        return self.api_url or f"unix:{self.socket_dir / 'api.sock'}"

    @property
    def public(self) -> str:
        """The origin that people open, without a trailing slash."""
        own = f"http://{self.own_address}:{self.http_port}"
        if self.https_certificate_file is not None:
            own = f"https://{self.own_address}:{self.https_port}"
        return (self.public_url or own).rstrip("/")

    @property
    def is_proxied(self) -> bool:
        """Whether people's requests come over TLS: ended by the node, or by a proxy of the site."""
        return self.behind_tls_proxy or self.https_certificate_file is not None

    @property
    def token_file(self) -> Path:
        """The file of the token by which the node's own processes know one another."""
        return self.internal_token_file or self.root / "secrets" / "internal-token"

    @property
    def internal_token(self) -> str | None:
        """That token, or None where no ``up`` has made one yet."""
        try:
            return self.token_file.read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise SettingsError(f"{self.token_file} cannot be read: {exc.strerror}") from exc

    @property
    def front_headers(self) -> dict[str, str]:
        """What the node's own processes show at the front door: they need no login."""
        token = self.internal_token
        return {} if token is None else {"X-Node-Token": token}

    @property
    def orthanc_credentials(self) -> tuple[str, str] | None:
        """User and password of the node's own account in Orthanc; None before the first ``up``."""
        if self.orthanc_user and self.orthanc_password_file is not None:
            return self.orthanc_user, secret.read(self.orthanc_password_file)
        token = self.internal_token
        return None if token is None else (ORTHANC_USER, token)

    @property
    def orthanc_tls(self) -> ssl.SSLContext | bool:
        """By whom the certificate of an Orthanc behind ``https://`` must be vouched for."""
        if self.orthanc_ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self.orthanc_ca_file))
        except OSError as exc:
            raise SettingsError(f"NODE_ORTHANC_CA_FILE cannot be read: {exc}") from exc

    @property
    def secret_files(self) -> dict[str, Path]:
        """The files of secrets that a site gives, by the names of their settings."""
        named: dict[str, Path | None] = {
            "NODE_DATABASE_PASSWORD_FILE": self.database_password_file,
            "NODE_REDIS_PASSWORD_FILE": self.redis_password_file,
            "NODE_ORTHANC_PASSWORD_FILE": self.orthanc_password_file,
            "NODE_OIDC client_secret_file": self.oidc.client_secret_file if self.oidc else None,
        }
        for one in self.destinations:
            named[f"password_file of destination {one.name}"] = one.password_file
            named[f"token_file of destination {one.name}"] = one.token_file
        return {name: file for name, file in named.items() if file is not None}

    def viewer_url(self, study_instance_uid: str) -> str:
        """Return the viewer's deep link to a study."""
        return f"{self.public}/ohif/viewer?StudyInstanceUIDs={study_instance_uid}"


def load() -> Settings:
    """Read the settings; raise SettingsError that lists every fault."""
    try:
        return Settings()
    except ValidationError as exc:
        faults = "; ".join(
            (f"NODE_{'_'.join(map(str, e['loc'])).upper()}: " if e["loc"] else "") + e["msg"]
            for e in exc.errors()
        )
        raise SettingsError(f"settings are wrong: {faults}") from exc
    except ValueError as exc:
        raise SettingsError(f"node.toml cannot be read: {exc}") from exc
