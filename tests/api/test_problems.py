"""Every error is a problem (RFC 9457), and names no patient."""

import base64

import pytest

from dicom_node.api.app import create
from dicom_node.api.services import Services
from dicom_node.domain import RunTicket, Trigger
from dicom_node.errors import ModelError, NodeError
from dicom_node.ledger import Ledger
from tests.asgi import AsgiClient
from tests.fakes import FakeAdmission
from tests.ledgers import STUDY, report

CASES = [
    ("GET", "/ai/nothing", 404),
    ("GET", "/nothing", 404),
    ("GET", "/ai/static/nothing.js", 404),
    ("GET", "/ai/static/../app.py", 404),
    ("DELETE", "/ai/worklist", 405),
    ("GET", f"/ai/studies/{STUDY}/runs", 405),
    ("GET", "/ai/studies/0a1b2c-not-a-uid", 404),
    ("GET", "/ai/studies/" + "1." * 64 + "1", 422),
    ("GET", "/ai/studies/1.%202", 422),
    ("POST", "/ai/studies/SECRET%20/runs", 422),
    ("GET", "/ai/worklist?state=SECRET", 422),
    ("GET", "/ai/worklist?modality=secret", 422),
    ("GET", "/ai/worklist?limit=0", 422),
    ("GET", "/ai/studies/1.2.3", 404),
    ("GET", "/ohif/viewer", 404),
    ("GET", "/ohif/node/gone.mjs", 404),
    ("GET", "/ohif/", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), CASES)
def test_error_is_a_problem(client: AsgiClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert body["title"]
    assert body["detail"]
    assert "SECRET" not in answer.text


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"force": "SECRET"}', b'{"else": 1}'])
def test_bad_body_is_a_problem(client: AsgiClient, content: bytes) -> None:
    answer = client.post(
        f"/ai/studies/{STUDY}/runs", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]
    assert "SECRET" not in answer.text


def test_allowed_methods_are_named(client: AsgiClient) -> None:
    assert "GET" in client.request("DELETE", "/ai/worklist").headers["allow"]


class WrongAdmission:
    def admit(
        self, study_instance_uid: str, *, trigger: Trigger, actor: str, force: bool = False
    ) -> RunTicket:
        raise RuntimeError("SECRET^PATIENT in a message")


def test_fault_of_our_own_is_a_problem_without_its_message(
    services: Services, ledger: Ledger
) -> None:
    report(ledger)
    wrong = Services(
        ledger=ledger,
        admission=WrongAdmission(),
        catalogue=services.catalogue,
        probes={},
        settings=services.settings,
        policy=services.policy,
        room=services.room,
        token=services.token,
        look_up=services.look_up,
    )
    client = AsgiClient(create(wrong))
    answer = client.post(f"/ai/studies/{STUDY}/runs")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "SECRET" not in answer.text


@pytest.mark.parametrize("error", [NodeError("a sentence"), ModelError("a sentence")])
def test_error_of_the_node_without_a_status_is_500(
    client: AsgiClient, ledger: Ledger, admission: FakeAdmission, error: NodeError
) -> None:
    report(ledger)
    admission.error = error
    answer = client.post(f"/ai/studies/{STUDY}/runs")
    assert (answer.status_code, answer.json()["detail"]) == (500, "a sentence")


def test_ledger_without_its_tables_is_a_problem(services: Services) -> None:
    with services.ledger.database.exclusive() as connection:
        for table in ("stage_marks", "findings", "objects", "results", "deliveries"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
    client = AsgiClient(create(services))
    answer = client.get("/ai/worklist")
    assert answer.status_code in {500, 503}
    assert answer.headers["content-type"] == "application/problem+json"


def test_text_that_no_database_holds_names_nobody(client: AsgiClient, ledger: Ledger) -> None:
    report(ledger)
    answer = client.post("/ai/runs/a%00b/retry")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert client.post("/ai/login", data={"user": "a\0b", "password": "\0"}).status_code == 401
    basic = base64.b64encode(b"a\0b:\0").decode()
    answer = client.get("/ai/session", headers={"Authorization": f"Basic {basic}"})
    assert answer.status_code in {200, 401}
    judgement = {"verdict": "accept", "comment": "a\0b"}
    assert client.post(f"/ai/studies/{STUDY}/assessments", json=judgement).status_code == 201
