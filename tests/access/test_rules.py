"""What each role may ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.access.rules import is_public, permits
from dicom_node.domain import Role

READER, RADIOLOGIST, OPERATOR = Role.READER, Role.RADIOLOGIST, Role.OPERATOR
_METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", ""])
_PARTS = st.sampled_from(
    "ai ohif app studies series instances patients wado system tools find lookup reset changes "
    "dicom-web servers modalities peers runs assessments retry login static 1.2.3 .. .".split()
)
_PATHS = st.lists(_PARTS, max_size=5).map(lambda parts: "/" + "/".join(parts))


@pytest.mark.parametrize(
    ("method", "path", "least"),
    [
        ("GET", "/", READER),
        ("GET", "/ai/", READER),
        ("GET", "/ai/worklist", READER),
        ("GET", "/ai/studies/1.2.3", READER),
        ("GET", "/ohif/viewer", READER),
        ("GET", "/app/explorer.html", READER),
        ("GET", "/system", READER),
        ("GET", "/studies/abc/archive", READER),
        ("GET", "/dicom-web/studies/1.2.3/metadata", READER),
        ("GET", "/wado", READER),
        ("POST", "/tools/find", READER),
        ("POST", "/tools/lookup", READER),
        ("POST", "/ai/studies/1.2.3/runs", RADIOLOGIST),
        ("POST", "/ai/studies/1.2.3/assessments", RADIOLOGIST),
        ("POST", "/ai/runs/abc/retry", OPERATOR),
        ("POST", "/instances", OPERATOR),
        ("POST", "/dicom-web/studies", OPERATOR),
        ("POST", "/studies/abc/anonymize", OPERATOR),
        ("POST", "/tools/reset", OPERATOR),
        ("POST", "/tools/shutdown", OPERATOR),
        ("PUT", "/tools/log-level", OPERATOR),
        ("GET", "/tools/log-level", OPERATOR),
        ("GET", "/modalities", OPERATOR),
        ("GET", "/peers", OPERATOR),
        ("GET", "/changes", OPERATOR),
        ("GET", "/dicom-web/servers", OPERATOR),
        ("DELETE", "/studies/abc", OPERATOR),
        ("DELETE", "/changes", OPERATOR),
        ("GET", "/a/path/of/a/later/orthanc", OPERATOR),
    ],
)
def test_least_role_for(method: str, path: str, least: Role) -> None:
    roles = (READER, RADIOLOGIST, OPERATOR)
    allowed = tuple(role for role in roles if permits(role, method, path))
    assert allowed == roles[roles.index(least) :]


@given(_METHODS, _PATHS)
def test_each_role_may_all_that_a_lesser_one_may(method: str, path: str) -> None:
    assert permits(OPERATOR, method, path)
    assert permits(RADIOLOGIST, method, path) or not permits(READER, method, path)


@given(_METHODS, _PATHS)
def test_a_reader_changes_nothing(method: str, path: str) -> None:
    if permits(READER, method, path) and method not in {"GET", "HEAD"}:
        assert method == "POST"
        assert path in {"/tools/find", "/tools/lookup"}


@pytest.mark.parametrize(
    ("method", "path", "public"),
    [
        ("GET", "/ai/login", True),
        ("POST", "/ai/login", True),
        ("POST", "/ai/logout", True),
        ("GET", "/ai/login/oidc/callback", True),
        ("GET", "/ai/static/node.css", True),
        ("GET", "/ai/logout", False),
        ("GET", "/ai/loginx", False),
        ("GET", "/ai/login/oidc/x", False),
        ("DELETE", "/ai/login", False),
        ("GET", "/ai/static", False),
        ("GET", "/ai/", False),
        ("GET", "/ohif/", False),
    ],
)
def test_only_the_way_to_the_login_is_public(method: str, path: str, public: bool) -> None:
    assert is_public(method, path) is public
