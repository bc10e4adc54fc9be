"""Whether passwords and images would cross the network as they are.

Imported by ``orthanc/start`` too, whose Python has few packages.
"""

from dicom_node.errors import SettingsError
from dicom_node.settings import Settings


def require_tls(settings: Settings, *, plain: bool = False) -> None:
    """Raise SettingsError where other machines would reach the HTTP port without TLS.

    ``plain`` says that they shall: where a container's port is published on loopback alone, or
    the site has asked for it by name.
    """
    require_public_https(settings)
    if settings.allow_remote and not settings.is_proxied and not plain:
        raise SettingsError(
            "NODE_ALLOW_REMOTE opens the node to other machines, so passwords need TLS: set "
            "NODE_HTTPS_CERTIFICATE_FILE and NODE_HTTPS_KEY_FILE, or NODE_BEHIND_TLS_PROXY=true "
            "where a proxy of the site does it (in containers the latter alone, or "
            "NODE_HTTP_PLAIN=true, and whoever listens reads them: docs/compose.md)"
        )


def require_public_https(settings: Settings) -> None:
    """Raise SettingsError where a proxy of the site ends TLS and people's address is without."""
    if settings.behind_tls_proxy and not settings.public.startswith("https:"):
        raise SettingsError(
            "NODE_BEHIND_TLS_PROXY=true needs the address that people open at the proxy in "
            f"NODE_PUBLIC_URL, with https:, and not {settings.public}: by it cookies are kept to "
            "TLS, and pages of other sites told apart"
        )
