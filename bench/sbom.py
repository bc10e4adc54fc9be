"""Narrow a bill of materials to what the node runs on, add Debian's packages, and validate it.

script/sbom > sbom.json
"""

import json
import re
import sys
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

Component = dict[str, Any]
_UNLOCKED = frozenset({"torch", "torchvision"})
"""Chosen for the machine by script/setup, beside the lock."""


def main(whole: Path, debian: Path) -> int:
    """Print the bill; return the exit status."""
    wanted = runtime(Path("requirements.lock").read_text(encoding="utf-8")) | _UNLOCKED
    bill = narrowed(
        json.loads(whole.read_text(encoding="utf-8")),
        wanted,
        packages(debian.read_text(encoding="utf-8")),
    )
    text = json.dumps(bill, indent=2, sort_keys=True) + "\n"
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault is not None:
        print(f"the bill is no valid CycloneDX: {fault}", file=sys.stderr)
        return 1
    print(text, end="")
    return 0


def runtime(lock: str) -> frozenset[str]:
    """Return the names that the lock of the node pins."""
    return frozenset(canonicalize_name(n) for n in re.findall(r"(?m)^([A-Za-z0-9._-]+)==", lock))


def packages(listed: str) -> list[Component]:
    """Return Debian's packages as components; those not installed are left out."""
    rows = [line.split("\t") for line in listed.splitlines()]
    return [
        {
            "type": "application",
            "bom-ref": f"deb:{name}",
            "name": name,
            "version": version,
            "purl": f"pkg:deb/debian/{name}@{version}?arch={arch}".replace("+", "%2B"),
        }
        for name, version, arch, status in sorted(rows)
        if status == "installed"
    ]


def narrowed(
    bill: Mapping[str, Any], wanted: frozenset[str], debian: Iterable[Component]
) -> dict[str, Any]:
    """Keep the runtime's components, without paths of this machine, in the order of their names."""
    kept = [c for c in bill["components"] if canonicalize_name(c["name"]) in wanted]
    for component in kept:
        component.pop("externalReferences", None)  # where pip found it: a matter of the machine
        component.pop("properties", None)
    components = sorted(kept, key=lambda c: canonicalize_name(c["name"])) + list(debian)
    refs = {component["bom-ref"] for component in components}
    root = bill["metadata"]["component"]
    root.pop("externalReferences", None)
    needs = [
        {**d, "dependsOn": sorted(set(d.get("dependsOn", ())) & refs)}
        for d in bill.get("dependencies", ())
        if d["ref"] in refs | {root["bom-ref"]}
    ]
    content = json.dumps([root, components, needs], sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}",
        "metadata": {"component": root},
        "components": components,
        "dependencies": sorted(needs, key=lambda d: str(d["ref"])),
    }


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
