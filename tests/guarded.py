"""A real node that asks who somebody is: users, TLS, and a provider of OpenID Connect."""

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from dicom_node.domain import Role
from tests.certificates import Authority
from tests.nodes import FINAL, LiveNode, NotYetError, eventually, free_port

_TOML = """
allow_remote = true
bind_address = "{address}"
dicom_plain = true
https_port = {port}
https_certificate_file = "{certificate}"
https_key_file = "{key}"

[oidc]
issuer = "{issuer}"
client_id = "dicom-node"
client_secret_file = "{secret}"
role_claim = "groups"
roles = {{ "ai-readers" = "reader", "ai-operators" = "operator" }}
"""
_PEOPLE = (
    {"sub": "7", "preferred_username": "Grace", "groups": ["others", "ai-operators", "ai-readers"]},
    {"sub": "8", "preferred_username": "mallory", "groups": ["others"]},
    {"sub": "9", "preferred_username": "reader", "groups": ["ai-operators"]},
)


@dataclass(frozen=True)
class GuardedNode:
    """A node with one user in each role, and the way to it."""

    node: LiveNode
    port: int
    ca: Path
    issuer: str

    @property
    def origin(self) -> str:
        """The one origin that people open."""
        return f"https://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> httpx.Client:
        """Return a client that nobody has logged in."""
        context = ssl.create_default_context(cafile=str(self.ca))
        return httpx.Client(
            base_url=self.origin, verify=context, timeout=30, trust_env=False, **options
        )

    def by_basic(self, role: Role) -> httpx.Client:
        """Return the client of a program with a user's name and password."""
        return self.client(auth=(role.value, password_of(role.value)))

    @contextmanager
    def logged_in(self, role: Role) -> Iterator[httpx.Client]:
        """Log a client in by the form, as a browser of this node's pages."""
        form = {"user": role.value, "password": password_of(role.value)}
        same_origin = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        with self.client(headers=same_origin) as browser:
            answer = browser.post("/ai/login", data=form)
            assert answer.status_code == httpx.codes.SEE_OTHER, answer.text
            yield browser

    def final(self, uid: str) -> dict[str, Any]:
        """Wait until a study has ended; return what the API says."""
        with self.by_basic(Role.READER) as client:
            for attempt in eventually():
                with attempt:
                    answer = client.get(f"/ai/studies/{uid}")
                    told = answer.json()
                    if told.get("state") not in FINAL:
                        raise NotYetError(f"{uid}: {answer.text}\n{self.node.logs()}")
        return dict(told)


def password_of(name: str) -> str:
    """Return the password of one of the node's users."""
    return f"the long word of {name}"


@contextmanager
def guarded_node(
    folder: Path, address: str = "0.0.0.0", names: tuple[str, ...] = ()
) -> Iterator[GuardedNode]:
    """Start a provider and a node that other machines may reach, by these names, and end both."""
    home = folder / "node"
    home.mkdir()
    authority = Authority(folder / "ca")
    pair = authority.issue("127.0.0.1", *names, "node.example")
    secret = folder / "client-secret"
    secret.write_text("a secret of the site\n", encoding="utf-8")
    with _provider() as issuer:
        port = free_port()
        words: Mapping[str, object] = {
            "address": address,
            "port": port,
            "certificate": pair.certificate,
            "key": pair.key,
            "issuer": issuer,
            "secret": secret,
        }
        (home / "node.toml").write_text(_TOML.format(**words), encoding="utf-8")
        live = LiveNode(home, free_port(), free_port(), free_port(), dict(os.environ))
        for role in Role:
            file = folder / f"{role.value}.password"
            file.write_text(password_of(role.value) + "\n", encoding="utf-8")
            options = ("--role", role.value, "--password-file", str(file))
            live.run("users", "add", role.value, *options)
        with live.running():
            yield GuardedNode(live, port, authority.file, issuer)


@contextmanager
def _provider() -> Iterator[str]:
    """Start a provider of OpenID Connect in a process of its own; return its issuer."""
    port = free_port()
    people = [part for one in _PEOPLE for part in ("--user-claims", json.dumps(one))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--require-nonce", "true", *people],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    issuer = f"http://127.0.0.1:{port}"
    try:
        for attempt in eventually():
            with attempt:
                httpx.get(f"{issuer}/.well-known/openid-configuration", trust_env=False)
        yield issuer
    finally:
        process.terminate()
        process.wait(30)
