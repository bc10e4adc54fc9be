"""STOW-RS as a destination (PS3.18 10.5), by dicomweb-client."""

from pathlib import Path
from xml.etree.ElementTree import ParseError  # nosec B405  # an error alone, no parser

import httpx
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from requests.auth import AuthBase, HTTPBasicAuth

from dicom_node import secret
from dicom_node.destination import DestinationSettings
from dicom_node.errors import DeliveryFailed, SettingsError, StoreRejected

_MAY_PASS = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS})
_UNREADABLE = (InvalidDicomError, OSError)
_ODD_ANSWER = (ParseError, AttributeError, KeyError, TypeError, ValueError)
"""What the client raises on an answer that is not what PS3.18 says."""


class StowDestination:
    """A destination that takes results by STOW-RS."""

    def __init__(self, settings: DestinationSettings) -> None:
        self._settings = settings

    @property
    def name(self) -> str:
        """Return the configured name."""
        return self._settings.name

    def send(self, dicom_file: Path) -> None:
        """Send one file; raises DeliveryFailed (may pass) or StoreRejected (will not)."""
        try:
            dataset = dcmread(dicom_file)
        except _UNREADABLE as exc:
            raise DeliveryFailed(f"the object cannot be read: {type(exc).__name__}") from exc
        try:
            answer = self._stored(dataset)
        except SettingsError as exc:
            raise DeliveryFailed(f"{self.name} was not asked: {exc}") from exc
        except requests.HTTPError as exc:
            raise self._refusal(
                exc.response.status_code if exc.response is not None else 0
            ) from exc
        except OSError as exc:  # requests' errors, and a file for TLS that is not there
            raise DeliveryFailed(f"{self.name} does not answer: {type(exc).__name__}") from exc
        except _ODD_ANSWER as exc:
            raise DeliveryFailed(f"{self.name} gave no STOW-RS answer") from exc
        if failed := answer.get("FailedSOPSequence"):
            reason = failed[0].get("FailureReason", 0)
            raise StoreRejected(f"{self.name} refused the object: reason 0x{reason:04X}")

    def _refusal(self, status: int) -> DeliveryFailed | StoreRejected:
        """Return what an HTTP status says; a login that is not taken may be right in a while."""
        shows = self._settings.user or self._settings.token_file is not None
        if status == httpx.codes.UNAUTHORIZED and shows:
            return DeliveryFailed(
                f"{self.name} does not take the node's login (HTTP 401): see password_file or "
                "token_file of this destination"
            )
        if status == httpx.codes.UNAUTHORIZED:
            return StoreRejected(
                f"{self.name} asks for a login (HTTP 401): give this destination user and "
                "password_file, or token_file"
            )
        if status == httpx.codes.FORBIDDEN:
            who = "the node's account" if shows else "the node, which shows no login,"
            return StoreRejected(f"{self.name} does not let {who} store (HTTP 403)")
        if status < httpx.codes.INTERNAL_SERVER_ERROR and status not in _MAY_PASS:
            return StoreRejected(f"{self.name} refused the object: HTTP {status}")
        return DeliveryFailed(f"{self.name} answered HTTP {status}")

    def _stored(self, dataset: Dataset) -> Dataset:
        where = self._settings
        with self._session() as session:
            client = DICOMwebClient(where.url, session=session, timeout=where.timeout_s)
            client.set_http_retry_params(retry=False)
            return client.store_instances([dataset])

    def _session(self) -> requests.Session:
        session, where = requests.Session(), self._settings
        if where.tls_ca_file is not None:
            session.verify = str(where.tls_ca_file)
            session.trust_env = False  # REQUESTS_CA_BUNDLE would be believed before our CA
        if where.tls_certificate_file is not None:
            shown = where.tls_certificate_file
            session.cert = (str(shown), str(where.tls_key_file or shown))
        if where.password_file is not None:
            session.auth = HTTPBasicAuth(
                where.user.encode(), secret.read(where.password_file).encode()
            )
        elif where.token_file is not None:
            session.auth = _Bearer(secret.read(where.token_file))
        return session


class _Bearer(AuthBase):
    """Shows a token (RFC 6750 2.1); as a header alone, requests would let a netrc replace it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
