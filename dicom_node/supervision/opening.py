"""How far the DICOM port is open: to whom, and by which proof."""

import json
import stat
from pathlib import Path
from typing import Final

from dicom_node.errors import SettingsError
from dicom_node.settings import ModalitySettings, Settings
from dicom_node.supervision import dicom_door

_VERBS: Final = ("Echo", "Store", "Find", "Get", "Move")
_FILES: Final = "dicom_tls_certificate_file", "dicom_tls_key_file", "dicom_tls_ca_file"


def has_tls(settings: Settings) -> bool:
    """Tell whether the DICOM port speaks TLS and asks each caller for a certificate."""
    return settings.dicom_tls_certificate_file is not None


def is_plain_and_open(settings: Settings) -> bool:
    """Tell whether other machines may call without a proof of who they are."""
    return not settings.listen_address.is_loopback and not has_tls(settings)


def render(settings: Settings) -> str:
    """Return ``dicom.json``: who may call, and TLS (PS3.15 B.9).

    On loopback, without modalities, any calling AE title is taken. Raises SettingsError that
    lists what is missing where the node is open to other machines.
    """
    require_strict(settings)
    named = bool(settings.modalities)
    keys: dict[str, object] = {
        "DicomCheckCalledAet": named,
        "StrictAetComparison": True,  # with case, as HAProxy does
        "DicomThreadsCount": dicom_door.ORTHANC_THREADS,
        "MaximumPduLength": dicom_door.LONGEST_PDU,
        "AcceptedTransferSyntaxes": dicom_door.transfer_syntaxes(settings),
        "DicomCheckModalityHost": False,  # it sees HAProxy alone, which looks at addresses
        **{f"DicomAlwaysAllow{verb}": not named for verb in _VERBS},
    }
    if named:
        keys["DicomModalities"] = {m.name: _modality(settings, m) for m in settings.modalities}
    if has_tls(settings):
        certificate, key, ca = (getattr(settings, name) for name in _FILES)
        keys |= {  # what Orthanc shows when it calls others; HAProxy ends the TLS of those who call
            "DicomTlsCertificate": str(certificate.resolve()),
            "DicomTlsPrivateKey": str(key.resolve()),
            "DicomTlsTrustedCertificates": str(ca.resolve()),
        }
    return json.dumps(keys, indent=2) + "\n"


def require_strict(settings: Settings) -> None:
    """Raise SettingsError, with every fault, where the DICOM port is more open than stated."""
    faults = _tls_faults(settings)
    names = [modality.name for modality in settings.modalities]
    if len(set(names)) < len(names):
        faults.append("two entries of NODE_MODALITIES have the same name")
    faults += _title_faults(settings.modalities)
    address = settings.listen_address
    if not address.is_loopback:
        if not settings.allow_remote:
            faults.append(f"NODE_BIND_ADDRESS {address} needs NODE_ALLOW_REMOTE=true")
        if not settings.dicom_plain:
            faults += _missing_when_open(settings)
    if faults:
        raise SettingsError("; ".join(faults))


def _title_faults(modalities: tuple[ModalitySettings, ...]) -> list[str]:
    """Say which titles Orthanc, which knows a caller by its title alone, would mistake."""
    faults = []
    first: dict[str, ModalitySettings] = {}
    for modality in modalities:
        title = modality.ae_title.strip()
        if not title or not title.isascii() or not title.isprintable() or "\\" in title:
            faults.append(f"the AE title of modality {modality.name} is none (PS3.5 6.2)")
        known = first.setdefault(title.lower(), modality)
        pair = f"modalities {known.name} and {modality.name}"
        if known.ae_title.strip() != title:
            faults.append(f"the AE titles of {pair} differ in case only: rename one of them")
        elif known.may != modality.may:
            faults.append(
                f"{pair} have one AE title and different rights (may), which Orthanc cannot keep "
                "apart: give each a title of its own, or both the same rights"
            )
    return faults


def _missing_when_open(settings: Settings) -> list[str]:
    """Name what the node lacks to be open to other machines."""
    missing = []
    if not has_tls(settings):
        names = ", ".join(f"NODE_{name.upper()}" for name in _FILES)
        missing.append(f"certificates ({names}; to try it out: dicom-node certificates)")
    if not settings.modalities:
        missing.append("the modalities that may call (NODE_MODALITIES, [[modalities]])")
    if not missing:
        return []
    return [
        f"NODE_ALLOW_REMOTE opens the DICOM port to other machines, so it needs "
        f"{' and '.join(missing)}; or state NODE_DICOM_PLAIN=true, and anybody who reaches the "
        "port may send and fetch images. See docs/network.md"
    ]


def _tls_faults(settings: Settings) -> list[str]:
    given: dict[str, Path | None] = {name: getattr(settings, name) for name in _FILES}
    if not any(given.values()):
        return _needless_without_tls(settings)
    faults = []
    crl = settings.dicom_tls_crl_file
    if crl is not None and not crl.is_file():
        faults.append(f"NODE_DICOM_TLS_CRL_FILE names no file: {crl}")
    for name, file in given.items():
        if file is None:
            faults.append(f"NODE_{name.upper()} is missing: DICOM over TLS needs all three files")
        elif not file.is_file():
            faults.append(f"NODE_{name.upper()} names no file: {file}")
    key = settings.dicom_tls_key_file
    if key is not None and key.is_file() and key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        faults.append(f"the key {key} can be read by others: chmod 600")
    return faults


def _needless_without_tls(settings: Settings) -> list[str]:
    """Name what asks for certificates where nobody shows any."""
    faults = []
    if settings.dicom_tls_crl_file is not None:
        faults.append("NODE_DICOM_TLS_CRL_FILE needs DICOM over TLS (NODE_DICOM_TLS_…)")
    faults += [
        f"modality {one.name} names a certificate, which needs DICOM over TLS (NODE_DICOM_TLS_…)"
        for one in settings.modalities
        if one.certificate_name or one.certificate_sha256
    ]
    return faults


def _modality(settings: Settings, modality: ModalitySettings) -> dict[str, object]:
    may: dict[str, object] = {f"Allow{verb}": verb.lower() in modality.may for verb in _VERBS}
    return {
        "AET": modality.ae_title,
        "Host": str(modality.host),
        "Port": modality.port,
        "UseDicomTls": has_tls(settings) and modality.tls,
        **may,
        "AllowEcho": True,
        "AllowStorageCommitment": False,
    }
