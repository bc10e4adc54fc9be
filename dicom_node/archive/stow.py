"""STOW-RS as a destination (PS3.18 10.5), by dicomweb-client."""

from pathlib import Path
from xml.etree.ElementTree import ParseError  # nosec B405  # an error alone, no parser

import httpx
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from dicom_node.destination import DestinationSettings
from dicom_node.errors import DeliveryFailed, StoreRejected

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
        except requests.HTTPError as exc:
            status = exc.response.status_code if exc.response is not None else 0
            if status < httpx.codes.INTERNAL_SERVER_ERROR and status not in _MAY_PASS:
                raise StoreRejected(f"{self.name} refused the object: HTTP {status}") from exc
            raise DeliveryFailed(f"{self.name} answered HTTP {status}") from exc
        except OSError as exc:  # requests' errors, and a file for TLS that is not there
            raise DeliveryFailed(f"{self.name} does not answer: {type(exc).__name__}") from exc
        except _ODD_ANSWER as exc:
            raise DeliveryFailed(f"{self.name} gave no STOW-RS answer") from exc
        if failed := answer.get("FailedSOPSequence"):
            reason = failed[0].get("FailureReason", 0)
            raise StoreRejected(f"{self.name} refused the object: reason 0x{reason:04X}")

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
        return session
