"""Certificates for peers that trust one another, and for one that nobody trusts."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._ca = trustme.CA(organization_name=name)
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def issue(self, *names: str) -> Identity:
        """Sign a certificate for host names or addresses."""
        made = self._ca.issue_cert(*names)
        stem = self._folder / f"{names[0]}-{len(list(self._folder.iterdir()))}"
        found = Identity(stem.with_suffix(".crt"), stem.with_suffix(".key"))
        made.cert_chain_pems[0].write_to_path(str(found.certificate))
        made.private_key_pem.write_to_path(str(found.key))
        found.key.chmod(0o600)
        return found

    def server(self, identity: Identity) -> ssl.SSLContext:
        """Return what a server needs that shows ``identity`` and asks for one of ours."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.file)
        context.load_cert_chain(identity.certificate, identity.key)
        context.verify_mode = ssl.CERT_REQUIRED
        return context
