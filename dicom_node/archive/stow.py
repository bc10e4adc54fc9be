"""STOW-RS as a destination (PS3.18 10.5), by dicomweb-client."""

from pathlib import Path

import httpx
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread

from dicom_node.errors import DeliveryFailed, StoreRejected
from dicom_node.settings import DestinationSettings


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
            with requests.Session() as session:
                client = DICOMwebClient(self._settings.url, session=session)
                client.set_http_retry_params(retry=False)
                answer = client.store_instances([dcmread(dicom_file)])
        except requests.HTTPError as exc:
            status = exc.response.status_code if exc.response is not None else 0
            if status < httpx.codes.INTERNAL_SERVER_ERROR:
                raise StoreRejected(f"{self.name} refused the object: HTTP {status}") from exc
            raise DeliveryFailed(f"{self.name} answered HTTP {status}") from exc
        except requests.RequestException as exc:
            raise DeliveryFailed(f"{self.name} does not answer: {type(exc).__name__}") from exc
        if failed := answer.get("FailedSOPSequence"):
            reason = failed[0].get("FailureReason", 0)
            raise StoreRejected(f"{self.name} refused the object: reason 0x{reason:04X}")
