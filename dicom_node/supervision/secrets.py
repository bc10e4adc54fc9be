"""What only this node's own processes may read: their token, and the key of its certificate."""

import secrets
from pathlib import Path

from dicom_node import private
from dicom_node.errors import SettingsError
from dicom_node.settings import Settings
from dicom_node.supervision import transport
from dicom_node.supervision.home import Layout


def write(settings: Settings) -> None:
    """Make the token unless there is one, and the certificate for HTTPS.

    Raises SettingsError where the settings would let other machines in without a guard.
    """
    _check(settings)
    if settings.internal_token is None:
        file = settings.token_file
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(file, secrets.token_urlsafe(32) + "\n")
        except OSError as exc:
            raise SettingsError(f"{file} cannot be made: {exc.strerror}") from exc
    if not settings.orthanc_url:
        # Earlier versions kept a password there, as it was.
        (Layout.of(settings).orthanc_folder / "accounts.json").unlink(missing_ok=True)
        _write_certificate(settings, Layout.of(settings))


def _check(settings: Settings) -> None:
    pair = settings.https_certificate_file, settings.https_key_file
    if (pair[0] is None) != (pair[1] is None):
        raise SettingsError("NODE_HTTPS_CERTIFICATE_FILE and NODE_HTTPS_KEY_FILE go together")
    transport.require_public_https(settings)
    if settings.orthanc_url:
        return
    if settings.orthanc_user:
        raise SettingsError(
            "NODE_ORTHANC_USER is the account in an Orthanc that somebody else runs "
            "(NODE_ORTHANC_URL); for people here: dicom-node users add NAME --role operator"
        )
    transport.require_tls(settings)


def _write_certificate(settings: Settings, layout: Layout) -> None:
    """Put certificate and key into the one file that the HTTPS proxy reads."""
    certificate, key = settings.https_certificate_file, settings.https_key_file
    if certificate is None or key is None:
        layout.https_certificate.unlink(missing_ok=True)
        return
    try:
        both = certificate.read_text().rstrip() + "\n" + key.read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(f"certificate or key of NODE_HTTPS_… cannot be read: {exc}") from exc
    write_private(layout.https_certificate, both)


def write_private(file: Path, text: str) -> None:
    """Replace a file by one that its owner alone can read."""
    private.replace(file, text.encode())
