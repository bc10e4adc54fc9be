"""``python -m dicom_node.supervision.containers``: write what the containers read.

On one machine ``up`` does this. In compose one container does it and ends, and the others, which
need none of our code for it, start then.
"""

import os
import shlex
import sys

from dicom_node import settings
from dicom_node.errors import NodeError
from dicom_node.settings import Settings
from dicom_node.supervision import opening, render, secrets, transport
from dicom_node.supervision.home import Layout
from dicom_node.supervision.programs import orthanc_limits
from dicom_node.supervision.secrets import write_private


def main() -> None:
    """Write the files, or end with the sentence that says what is wrong."""
    os.umask(0o077)
    try:
        prepare(settings.load())
    except NodeError as exc:
        sys.exit(f"dicom-node: {exc}")


def prepare(site: Settings) -> None:
    """Write token, accounts and configurations.

    Raises SettingsError where other machines would get in more easily than the site has stated.
    """
    transport.require_tls(site, plain=site.http_plain)
    callers = opening.render(site)
    layout = Layout.of(site)
    for folder in (layout.orthanc_folder, layout.nginx_folder, layout.secrets):
        folder.mkdir(mode=0o700, exist_ok=True)
    secrets.write(site)
    secrets.write_account(site, layout)
    shown = "".join(f"{name}: {value}\n" for name, value in site.front_headers.items())
    write_private(layout.secrets / "header", shown)  # by which the node's health is asked
    write_private(layout.orthanc_folder / "dicom.json", callers)
    write_private(layout.orthanc_folder / "limits", shlex.join(orthanc_limits(site)) + "\n")
    render.write_doors(site, layout)


if __name__ == "__main__":
    main()
