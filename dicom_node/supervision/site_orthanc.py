"""What a site adds to Orthanc's configuration (NODE_HOME/orthanc.d), and what it may not."""

import re
from pathlib import Path
from typing import Final

from dicom_node.errors import SettingsError
from dicom_node.supervision.home import Layout

OURS: Final = frozenset({"node.json", "dicom.json", "accounts.json"})
_HTTPS: Final = "NODE_HTTPS_CERTIFICATE_FILE and NODE_HTTPS_KEY_FILE: nginx ends TLS"
_DICOM_TLS: Final = "NODE_DICOM_TLS_CERTIFICATE_FILE, …_KEY_FILE and …_CA_FILE: HAProxy ends TLS"
_USERS: Final = "dicom-node users add: Orthanc has one account, the node's own"
_PORTS: Final = "NODE_HTTP_PORT, NODE_DICOM_PORT, NODE_BIND_ADDRESS: nginx and HAProxy are there"
_REPLACED: Final = {
    "SslEnabled": _HTTPS,
    "SslCertificate": _HTTPS,
    "SslVerifyPeers": _HTTPS,
    "DicomTlsEnabled": _DICOM_TLS,
    "DicomTlsCertificate": _DICOM_TLS,
    "DicomTlsPrivateKey": _DICOM_TLS,
    "DicomTlsTrustedCertificates": _DICOM_TLS,
    "DicomTlsRemoteCertificateRequired": _DICOM_TLS,
    "RegisteredUsers": _USERS,
    "AuthenticationEnabled": _USERS,
    "RemoteAccessAllowed": _PORTS,
    "HttpPort": _PORTS,
    "HttpBindAddresses": _PORTS,
    "DicomPort": _PORTS,
}
"""Keys that no longer mean what they did, each with what says it now."""


def require_unreplaced(layout: Layout) -> None:
    """Raise SettingsError where a file of the site has a key that the front doors replaced."""
    for file in sorted(layout.orthanc_folder.glob("*.json")):
        if file.name not in OURS:
            _require(file)


def _require(file: Path) -> None:
    # Orthanc's JSON has comments, so the keys are looked for as words; there none has quotes.
    text = file.read_text(encoding="utf-8", errors="replace")
    for key, instead in _REPLACED.items():
        if re.search(rf'"{key}"\s*:', text):
            raise SettingsError(
                f"{file}: {key} has no effect any more; take it out, and see {instead}"
            )
