"""``dicom-node certificates``: a private CA for trying DICOM over TLS out.

A site has a CA of its own; its files go into the same settings.
"""

import re
import socket
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import trustme

from dicom_node import private
from dicom_node.cli.console import out
from dicom_node.errors import NodeError, SettingsError
from dicom_node.settings import EVERY_ADDRESS, load

_VALID: Final = timedelta(days=397)
_NODE: Final = "node"
_RESERVED: Final = frozenset({"ca", _NODE})
_LONGEST: Final = 253
_LABEL: Final = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_TITLE: Final = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,15}")
"""An AE title that can name a file as well; one with spaces needs a certificate_name of its own."""

_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")


def make(folder: Path, names: tuple[str, ...], peers: tuple[str, ...]) -> None:
    """Write ca, node and each peer as ``.crt`` and ``.key``; what is there already stays.

    Called again with other peers, it signs for them with the same CA.
    """
    settings = load()
    _check(names, peers)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = _authority(folder)
        own = {"localhost", "127.0.0.1", *names}
        own |= _machine()
        if settings.listen_address != EVERY_ADDRESS:
            own.add(str(settings.listen_address))
        _issue(authority, folder, _NODE, tuple(sorted(own)))
        for peer in peers:
            _issue(authority, folder, peer, (peer,) if _is_host(peer) else (), title=peer)
    except OSError as exc:
        raise NodeError(f"certificates cannot be written: {exc.filename}: {exc.strerror}") from exc
    except UnicodeError as exc:
        raise SettingsError(f"a name is no host name: {exc}") from exc
    place = folder.resolve()
    for line in (
        f"NODE_DICOM_TLS_CERTIFICATE_FILE={place / 'node.crt'}",
        f"NODE_DICOM_TLS_KEY_FILE={place / 'node.key'}",
        f"NODE_DICOM_TLS_CA_FILE={place / 'ca.crt'}",
    ):
        out.print(line, markup=False, soft_wrap=True)


def _check(names: tuple[str, ...], peers: tuple[str, ...]) -> None:
    """Raise SettingsError, before anything is written, where a name cannot be in a certificate."""
    for name in names:
        if not _is_host(name):
            raise SettingsError(f"{name!r} is no host name and no address")
    for peer in peers:
        if not _is_host(peer) and not _TITLE.fullmatch(peer):
            raise SettingsError(f"{peer!r} is no host name, no address and no AE title")
    if reserved := [peer for peer in peers if peer.lower() in _RESERVED]:
        raise SettingsError(f"{reserved[0]!r} is a name of the node's own files; choose another")


def _machine() -> set[str]:
    """Return this machine's name, unless no certificate can hold it, as one with an underscore."""
    name = socket.gethostname()
    return {name} if _is_host(name) and "xn--" not in name else set()


def _is_host(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return bool(_HOST.fullmatch(name)) and len(name) <= _LONGEST
    return True


def _authority(folder: Path) -> trustme.CA:
    certificate, key = folder / "ca.crt", folder / "ca.key"
    if certificate.exists() and key.exists():
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    authority = trustme.CA(organization_name="dicom-node trial CA", key_type=trustme.KeyType.RSA)
    private.replace(key, authority.private_key_pem.bytes())
    private.replace(certificate, authority.cert_pem.bytes())
    return authority


def _issue(
    authority: trustme.CA,
    folder: Path,
    name: str,
    identities: tuple[str, ...],
    *,
    title: str | None = None,
) -> None:
    """Sign for ``identities``, by RSA, which older modalities know as well.

    ``title`` becomes the common name, by which the node ties a modality to its AE title.
    """
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    if certificate.exists() and key.exists():
        return
    made = authority.issue_cert(
        *identities,
        common_name=title,
        not_after=datetime.now(UTC) + _VALID,
        key_type=trustme.KeyType.RSA,
    )
    private.replace(key, made.private_key_pem.bytes())
    private.replace(certificate, made.cert_chain_pems[0].bytes())
