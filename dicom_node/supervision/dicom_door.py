"""The DICOM door: HAProxy's part in it, and what its Lua reads (``dicom_door.lua`` beside this).

Title, address and certificate of a caller are tied together before Orthanc hears a byte. What
waits for its turn waits here and holds none of Orthanc's threads; what is let in goes on to the
relay (``dicom_node.relay``), which looks at what is sent.
"""

import hashlib
import ssl
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from dicom_node.errors import SettingsError
from dicom_node.settings import ModalitySettings, Settings
from dicom_node.supervision.home import Layout
from dicom_node.supervision.quoting import quoted

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END_OF_IT: Final = "-----END CERTIFICATE-----"

SCRIPT: Final = Path(__file__).with_suffix(".lua")

ORTHANC_THREADS: Final = 64
"""Associations that Orthanc can hold (DicomThreadsCount); idle ones cost it next to nothing."""

AT_ONCE: Final = 40
"""Associations of callers who have few; those who have many share `AT_ONCE_GREEDY`."""

AT_ONCE_GREEDY: Final = 16
FEW: Final = 20
"""Connections of one address, beyond which it counts as greedy."""

MOST_OF_ONE: Final = 1000
MOST: Final = 3000
"""Connections, most of which may be silent: of one address, of all."""

LONGEST_PDU: Final = 131_072
"""MaximumPduLength of Orthanc, the largest that DCMTK knows."""

_BUFFER: Final = 65_536
_LONGEST_REQUEST: Final = 60_000
"""Bytes of an A-ASSOCIATE-RQ, which is judged as a whole: 128 contexts with their syntaxes fit."""

_GREETING_S: Final = 10
_SILENCE_S: Final = 90
_ANSWER_S: Final = 600
_QUEUE_S: Final = 60
_NATIVE: Final = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
_COMPRESSED: Final = (
    *(f"1.2.840.10008.1.2.4.{ending}" for ending in ("5?", "6?", "7?", "8?", "10?")),
    *(f"1.2.840.10008.1.2.4.{ending}" for ending in ("90", "91", "92", "93")),
    *("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.6.*", "1.2.840.10008.1.2.7.*"),
)
"""Without HTJ2K (…4.201 to 203): Orthanc has no frames of it for a viewer; and without JPIP, whose
objects hold no pixels."""

DEFLATED: Final = (
    "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"
)  # fmt: skip


def transfer_syntaxes(settings: Settings) -> list[str]:
    """Return the patterns of the transfer syntaxes that Orthanc accepts.

    Deflated objects (PS3.5 A.5) only where the site admits them: a thousandth of what they become
    is sent.
    """
    return [*_NATIVE, *_COMPRESSED, *(DEFLATED if settings.dicom_deflated else ())]


def serves(syntax: str) -> bool:
    """Tell whether Orthanc, once it has an object of a transfer syntax, can show it to a viewer."""
    return any(fnmatchcase(syntax, one) for one in (*_NATIVE, *_COMPRESSED, DEFLATED[0]))


def general(layout: Layout) -> Iterator[str]:
    """Yield the lines that the door adds to HAProxy's global section."""
    yield f"  tune.bufsize {_BUFFER}"
    yield "  tune.ssl.default-dh-param 2048"
    yield f"  setenv DICOM_DOOR {quoted(str(layout.dicom_door))}"
    yield f"  lua-load-per-thread {quoted(str(SCRIPT))}"


def sections(settings: Settings, layout: Layout) -> Iterator[str]:
    """Yield the frontend and the backends of the DICOM port."""
    yield "frontend dicom"
    yield "  mode tcp"
    yield f"  bind {settings.listen_address}:{settings.dicom_port}{_tls(settings, layout)}"
    yield f"  maxconn {MOST}"
    yield f"  timeout client {_SILENCE_S}s"
    yield "  option clitcpka"
    yield "  option dontlognull"
    yield "  no log"
    yield "  log stdout format raw local0 info"
    yield f"  log-format {quoted(_END)}"
    yield "  stick-table type ip size 100k expire 5m store conn_cur"
    yield "  tcp-request connection track-sc0 src"
    yield f"  tcp-request connection reject if {{ sc0_conn_cur gt {MOST_OF_ONE} }}"
    yield f"  tcp-request inspect-delay {_GREETING_S}s"
    yield "  tcp-request content lua.dicom_judge"
    refused = "{ var(txn.verdict) -m str calling called }"
    yield f"  tcp-request content use-service lua.dicom_reject if {refused}"
    yield "  tcp-request content reject unless { var(txn.verdict) -m str ok }"
    yield f"  use_backend dicom_greedy if {{ sc0_conn_cur gt {FEW} }}"
    yield "  default_backend dicom"
    for name, most in (("dicom", AT_ONCE), ("dicom_greedy", AT_ONCE_GREEDY)):
        yield f"backend {name}"
        yield "  mode tcp"
        yield f"  timeout server {_ANSWER_S}s"
        yield f"  timeout queue {_QUEUE_S}s"
        yield "  option srvtcpka"
        yield f"  server relay {quoted('unix@' + str(layout.dicom_socket))} maxconn {most}"


_END: Final = (
    "timestamp=%[date,utime(%Y-%m-%dT%H:%M:%SZ)] level=info event=dicom.association_ended "
    "calling_ae=%[var(sess.title)] address=%ci verdict=%[var(txn.verdict)] bytes=%U "
    "elapsed_ms=%Tt end=%ts"
)


def _tls(settings: Settings, layout: Layout) -> str:
    if settings.dicom_tls_certificate_file is None or settings.dicom_tls_ca_file is None:
        return ""
    words = f" ssl crt {quoted(str(layout.dicom_certificate))}"
    words += f" ca-file {quoted(str(settings.dicom_tls_ca_file.resolve()))} verify required"
    if settings.dicom_tls_crl_file is not None:
        words += f" crl-file {quoted(str(settings.dicom_tls_crl_file.resolve()))}"
    return words


def files(settings: Settings, layout: Layout) -> Iterator[tuple[Path, str]]:
    """Yield the files that the Lua reads when HAProxy starts: whose port this is, and who calls."""
    folder = layout.dicom_door
    options = {
        "title": _hex(settings.ae_title),
        "tls": str(settings.dicom_tls_certificate_file is not None).lower(),
        "own_sha256": _fingerprint(settings.dicom_tls_certificate_file),
        "longest_pdu": _LONGEST_REQUEST,
    }
    yield folder / "options", "".join(f"{name} {value}\n" for name, value in options.items())
    yield folder / "callers", "".join(_caller(modality) for modality in settings.modalities)


def _fingerprint(certificate: Path | None) -> str:
    """Return the SHA-256 of the first certificate of a file; raise SettingsError without one."""
    if certificate is None:
        return "-"
    try:
        text = certificate.read_text(encoding="utf-8")
        first = text[text.index(_BEGIN) : text.index(_END_OF_IT) + len(_END_OF_IT)]
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()
    except (OSError, ValueError) as exc:
        raise SettingsError(f"{certificate} holds no certificate in PEM form") from exc


def _caller(modality: ModalitySettings) -> str:
    name = modality.certificate_name or modality.ae_title.strip()
    sha256 = modality.certificate_sha256 or "-"
    return f"{_hex(modality.ae_title)} {modality.host} {_hex(name)} {sha256}\n"


def _hex(title: str) -> str:
    """Return a title without the spaces that do not count (PS3.5 6.2, AE)."""
    return title.strip().encode().hex()
