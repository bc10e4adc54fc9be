"""One reading of what somebody asks for."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.access.asked import of_nginx
from dicom_node.errors import AccessError

PATHS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40)


def asked(
    method: str = "GET", path: str = "/studies", args: str = "", **more: str
) -> dict[str, str]:
    told = path.encode().decode("latin-1")
    return {"x-node-method": method, "x-node-path": told, "x-node-args": args, **more}


@given(path=PATHS)
def test_path_is_judged_as_orthanc_gets_it(path: str) -> None:
    assert of_nginx(asked(path=f"/{path}")).path == f"/{path}"


@given(key=st.sampled_from(["_method", "_METHOD", " _method", "_method "]), value=PATHS)
def test_method_in_the_query_is_refused_however_it_is_written(key: str, value: str) -> None:
    encoded = "".join(f"%{byte:02x}" for byte in key.encode())
    for name in (quote(key), encoded):
        with pytest.raises(AccessError, match="_method"):
            of_nginx(asked(args=f"a=b&{name}={quote(value)}"))


@pytest.mark.parametrize("method", ["", "TRACE", "CONNECT", "get", "PATCH", "OPTIONS"])
def test_methods_that_orthanc_does_not_know_are_refused(method: str) -> None:
    with pytest.raises(AccessError):
        of_nginx(asked(method=method))


def test_parameter_that_is_named_twice_hides_no_image() -> None:
    with pytest.raises(AccessError, match="twice"):
        of_nginx(asked(path="/wado", args="objectUID=1.2&objectUID=1.3"))


@pytest.mark.parametrize(("length", "expected"), [("12", 12), ("", 0), ("-1", 0), ("x", 0)])
def test_length_is_a_number_or_unknown(length: str, expected: int) -> None:
    assert of_nginx(asked("POST", **{"x-node-length": length})).length == expected


@pytest.mark.parametrize(
    "args",
    [
        "width=60000&height=60000",
        "viewport=60000,60000",
        "rows=1&columns=4294967295",
        "Width=1e9",
        "width=nan",
        "width=many",
    ],
)
def test_picture_that_no_screen_could_show_is_refused(args: str) -> None:
    with pytest.raises(AccessError, match="8192"):
        of_nginx(asked(path="/instances/a/rendered", args=args))
    assert of_nginx(asked(args="viewport=512,512&width=1024")).query["width"] == "1024"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize("said", [{"x-node-length": "5"}, {"x-node-chunked": "chunked"}])
def test_body_that_nobody_wants_is_refused(method: str, said: dict[str, str]) -> None:
    with pytest.raises(AccessError, match="no body"):
        of_nginx(asked(method=method, **said))
    assert of_nginx(asked(method="POST", **said)).method == "POST"
