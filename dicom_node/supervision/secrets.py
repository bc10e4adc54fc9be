"""What only this node's own processes may read: their token, and the key of its certificate."""

import json
import secrets
from pathlib import Path

from dicom_node import private
from dicom_node.errors import SettingsError
from dicom_node.settings import ORTHANC_USER, Settings
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
        write_account(settings, Layout.of(settings))
    layout = Layout.of(settings)
    _write_pair(settings.https_certificate_file, settings.https_key_file, layout.https_certificate)
    _write_pair(
        settings.dicom_tls_certificate_file, settings.dicom_tls_key_file, layout.dicom_certificate
    )


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


def write_account(settings: Settings, layout: Layout) -> None:
    """Give Orthanc the one account by which nginx and the node's own processes come in."""
    user, password = settings.orthanc_credentials or (ORTHANC_USER, "")
    accounts = json.dumps({"RegisteredUsers": {user: password}})
    write_private(layout.orthanc_folder / "accounts.json", accounts + "\n")


def _write_pair(certificate: Path | None, key: Path | None, target: Path) -> None:
    """Put certificate and key into the one file that a door reads."""
    if certificate is None or key is None:
        target.unlink(missing_ok=True)
        return
    try:
        both = certificate.read_text(encoding="utf-8").rstrip() + "\n" + key.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(f"{certificate} or {key} cannot be read: {exc}") from exc
    write_private(target, both)


def write_private(file: Path, text: str) -> None:
    """Replace a file by one that its owner alone can read."""
    private.replace(file, text.encode())
