"""Certificates for peers that trust one another, and for one that nobody trusts."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, as files."""

    certificate: Path
    key: Path

    @property
    def sha256(self) -> str:
        """The fingerprint, as OpenSSL prints it."""
        found = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        return found.fingerprint(hashes.SHA256()).hex(":").upper()


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._ca = trustme.CA(organization_name=name)
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def issue(self, *names: str, common_name: str | None = None) -> Identity:
        """Sign a certificate for host names or addresses, or for the title of a modality."""
        made = self._ca.issue_cert(*names, common_name=common_name)
        stem = f"{(*names, 'peer')[0]}-{len(list(self._folder.iterdir()))}"
        found = Identity(self._folder / f"{stem}.crt", self._folder / f"{stem}.key")
        made.cert_chain_pems[0].write_to_path(str(found.certificate))
        made.private_key_pem.write_to_path(str(found.key))
        found.key.chmod(0o600)
        return found

    def revoke(self, *identities: Identity) -> Path:
        """Write the list of these revoked certificates (RFC 5280 5)."""
        now = datetime.now(UTC)
        authority = x509.load_pem_x509_certificate(self._ca.cert_pem.bytes())
        key = serialization.load_pem_private_key(self._ca.private_key_pem.bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        made = x509.CertificateRevocationListBuilder().issuer_name(authority.subject)
        made = made.last_update(now - timedelta(days=1)).next_update(now + timedelta(days=30))
        for identity in identities:
            lost = x509.load_pem_x509_certificate(identity.certificate.read_bytes())
            entry = x509.RevokedCertificateBuilder().serial_number(lost.serial_number)
            made = made.add_revoked_certificate(entry.revocation_date(now).build())
        file = self._folder / "revoked.pem"
        signed = made.sign(key, hashes.SHA256())
        file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return file

    def server(self, identity: Identity) -> ssl.SSLContext:
        """Return what a server needs that shows ``identity`` and asks for one of ours."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.file)
        context.load_cert_chain(identity.certificate, identity.key)
        context.verify_mode = ssl.CERT_REQUIRED
        return context
