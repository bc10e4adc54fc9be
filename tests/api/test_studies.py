"""Routes about one study."""

from dicom_node import jsonform
from dicom_node.domain import Failure, Refusal, RefusalCode, Role, Stage
from dicom_node.errors import ArchiveUnavailable, QueueUnavailable, StudyNotFound, StudyRefused
from dicom_node.ledger import Ledger
from tests.asgi import AsgiClient
from tests.fakes import FakeAdmission
from tests.ledgers import STUDY, Clock, add_user, objects, report, start, study, wish

RUNS = f"/ai/studies/{STUDY}/runs"
ASSESSMENTS = f"/ai/studies/{STUDY}/assessments"
FAILURE = Failure(Stage.INFER, "the network raised")


def test_study_is_the_item_with_its_history(client: AsgiClient, ledger: Ledger) -> None:
    report(ledger)
    body = client.get(f"/ai/studies/{STUDY}").json()
    detail = ledger.queries.detail(STUDY)
    assert detail is not None
    assert body == jsonform.detail(detail)
    assert body["state"] == "REPORTED"
    assert body["findings"][0]["present"] is True
    assert body["findings"][0]["code"]["value"] == "840539006"
    assert [run["number"] for run in body["runs"]] == [1]
    assert body["reports"][0] == body["report"]
    assert len(body["heatmaps"]) == 1
    assert body["timings"]["receive"] == 0.0


def test_unknown_study_is_404(client: AsgiClient) -> None:
    answer = client.get("/ai/studies/1.2.3.4")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "the node does not know study 1.2.3.4"


def test_asking_makes_a_run(client: AsgiClient, ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    answer = client.post(RUNS, json={"force": False})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/ai/studies/{STUDY}"
    body = answer.json()
    assert (body["run"]["number"], body["run"]["state"]) == (1, "QUEUED")
    assert body["item"]["state"] == "QUEUED"


def test_asking_needs_no_body(client: AsgiClient, ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    assert client.post(RUNS).status_code == 202


def test_asking_beside_a_live_run_is_409_with_that_run(client: AsgiClient, ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    queued = client.post(RUNS).json()["run"]
    answer = client.post(RUNS)
    assert (answer.status_code, answer.json()["run"]) == (409, queued)
    assert ledger.runs.claim(queued["run_id"], "w", 60) is not None
    answer = client.post(RUNS)
    assert (answer.status_code, answer.json()["run"]["state"]) == (409, "RUNNING")


def test_asking_for_what_is_reported_is_200_and_force_reads_it_again(
    client: AsgiClient, ledger: Ledger
) -> None:
    claim = report(ledger)
    answer = client.post(RUNS, json={"force": False})
    assert (answer.status_code, answer.json()["run"]["run_id"]) == (200, claim.run_id)
    answer = client.post(RUNS, json={"force": True})
    assert (answer.status_code, answer.json()["run"]["number"]) == (202, 2)


def test_asking_for_what_is_refused_is_200(client: AsgiClient, ledger: Ledger) -> None:
    claim = start(ledger)
    ledger.runs.refused(claim, Refusal(RefusalCode.NOT_CHEST, "Not a chest."))
    answer = client.post(RUNS)
    assert answer.status_code == 200
    assert answer.json()["run"]["refusal"]["code"] == "NOT_CHEST"


def test_asking_for_what_is_refused_without_a_run_is_200_with_the_item(
    client: AsgiClient, ledger: Ledger, admission: FakeAdmission
) -> None:
    report(ledger)
    refusal = Refusal(RefusalCode.PATIENT_MISMATCH, "The study holds two patients.")
    ledger.studies.refuse(STUDY, refusal)
    admission.error = StudyRefused(refusal.code, refusal.reason)
    answer = client.post(RUNS)
    assert answer.status_code == 200
    assert answer.json()["run"] is None
    assert answer.json()["item"]["study_instance_uid"] == STUDY


def test_asking_for_what_failed_tries_again(client: AsgiClient, ledger: Ledger) -> None:
    claim = start(ledger)
    ledger.runs.failed(claim, FAILURE, None)
    answer = client.post(RUNS)
    assert answer.status_code == 202
    assert answer.json()["run"]["run_id"] == claim.run_id
    assert answer.json()["run"]["state"] == "QUEUED"


def test_asking_for_a_study_that_the_archive_lacks_is_404(
    client: AsgiClient, ledger: Ledger, admission: FakeAdmission
) -> None:
    ledger.studies.record(study(), "CR")
    admission.error = StudyNotFound("the archive does not hold study 1.2")
    assert client.post(RUNS).status_code == 404


def test_asking_while_the_queue_is_down_is_503_and_the_run_is_kept(
    client: AsgiClient, ledger: Ledger, admission: FakeAdmission
) -> None:
    ledger.studies.record(study(), "CR")
    admission.error = QueueUnavailable("the broker does not answer")
    answer = client.post(RUNS)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "by itself" in answer.json()["detail"]
    assert answer.json()["run"]["state"] == "QUEUED"


def test_asking_while_orthanc_is_down_is_503(
    client: AsgiClient, ledger: Ledger, admission: FakeAdmission
) -> None:
    ledger.studies.record(study(), "CR")
    admission.error = ArchiveUnavailable("Orthanc does not answer")
    answer = client.post(RUNS)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_acting_user_reaches_admission(
    client: AsgiClient, ledger: Ledger, admission: FakeAdmission
) -> None:
    ledger.studies.record(study(), "CR")
    client.post(RUNS, headers={"X-Node-User": "somebody else"})
    client.post(RUNS, headers={"X-Node-Claim": client.token})
    assert admission.actors == ["anonymous", "node"]


def test_retry_revives_a_failed_run(client: AsgiClient, ledger: Ledger) -> None:
    claim = start(ledger)
    ledger.runs.failed(claim, FAILURE, None)
    answer = client.post(f"/ai/runs/{claim.run_id}/retry")
    assert (answer.status_code, answer.json()["run"]["run_id"]) == (202, claim.run_id)


def test_retry_of_a_run_that_did_not_fail_is_409(client: AsgiClient, ledger: Ledger) -> None:
    claim = report(ledger)
    answer = client.post(f"/ai/runs/{claim.run_id}/retry")
    assert answer.status_code == 409
    assert answer.json()["run"]["state"] == "REPORTED"


def test_retry_of_an_unknown_run_is_404(client: AsgiClient) -> None:
    assert client.post("/ai/runs/nothing/retry").status_code == 404


def test_retry_whose_study_is_refused_now_is_200(
    client: AsgiClient, ledger: Ledger, admission: FakeAdmission
) -> None:
    claim = start(ledger)
    ledger.runs.failed(claim, FAILURE, None)
    admission.error = StudyRefused("NOT_CHEST", "Not a chest.")
    assert client.post(f"/ai/runs/{claim.run_id}/retry").status_code == 200
    claim_again = ledger.runs.claim(claim.run_id, "w", 60)
    assert claim_again is not None
    ledger.runs.failed(claim_again, FAILURE, None)
    admission.error = QueueUnavailable("the broker does not answer")
    assert client.post(f"/ai/runs/{claim.run_id}/retry").status_code == 503


def test_assessment_is_kept_with_user_time_and_report(
    client: AsgiClient, ledger: Ledger, clock: Clock
) -> None:
    report(ledger)
    verdict = {"verdict": "amend", "finding": "covid19", "comment": "left <b>base</b>"}
    user = add_user(ledger, "dr.who", Role.RADIOLOGIST)
    answer = client.post(ASSESSMENTS, json=verdict, auth=user)
    assert answer.status_code == 201
    assert answer.json() == {
        **verdict,
        "user": "dr.who",
        "report_sop_instance_uid": objects("1")[0][1].sop_instance_uid,
        "assessed_at": clock().isoformat().replace("+00:00", "Z"),
    }
    assert client.get(f"/ai/studies/{STUDY}", auth=user).json()["assessment"] == answer.json()
    seen, assessed = ledger.audit.entries(STUDY)[:2]
    assert (seen.action, assessed.action) == ("study.open", "report.assess")
    client.get(f"/ai/studies/{STUDY}", auth=user)
    assert ledger.audit.entries(STUDY)[0] == seen


def test_who_sees_a_study_or_the_list_is_audited_once_in_a_while(
    client: AsgiClient, ledger: Ledger, clock: Clock
) -> None:
    report(ledger)
    who, no = (add_user(ledger, name, Role.READER) for name in ("dr.who", "dr.no"))
    before = ledger.audit.head()[0]
    paths = (f"/ai/studies/{STUDY}", "/ai/worklist", "/ai/board")
    for _ in range(3):
        for path in paths:
            client.get(path, auth=who)
        clock.forward(5)
    client.get(paths[0], auth=no)

    def opened() -> list[tuple[str, str]]:
        entries = ledger.audit.after(before, 20)
        return [(e.actor, e.action) for e in entries if e.action.endswith(".open")]

    assert opened() == [
        ("dr.who", "study.open"),
        ("dr.who", "worklist.open"),
        ("dr.no", "study.open"),
    ]
    clock.forward(3600)
    for path in paths:
        client.get(path, auth=who)
    assert len(opened()) == 5
    client.get("/ai/studies/1.2.3.4", auth=who)
    assert len(opened()) == 5


def test_assessment_without_a_report_is_409(client: AsgiClient, ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    assert client.post(ASSESSMENTS, json={"verdict": "accept"}).status_code == 409


def test_assessment_of_an_unknown_study_is_404(client: AsgiClient) -> None:
    assert client.post(ASSESSMENTS, json={"verdict": "accept"}).status_code == 404


def test_assessment_of_a_finding_that_the_report_has_not_is_409(
    client: AsgiClient, ledger: Ledger
) -> None:
    report(ledger)
    body = {"verdict": "accept", "finding": "fracture"}
    assert client.post(ASSESSMENTS, json=body).status_code == 409
    assert ledger.assessments.of(STUDY) == ()


def test_assessment_that_makes_no_sense_is_422(client: AsgiClient, ledger: Ledger) -> None:
    report(ledger)
    for body in (
        {},
        {"verdict": "maybe"},
        {"verdict": "accept", "comment": "x" * 4001},
        {"verdict": "accept", "user": "somebody else"},
    ):
        assert client.post(ASSESSMENTS, json=body).status_code == 422
    assert ledger.assessments.of(STUDY) == ()


def test_other_sites_change_nothing(client: AsgiClient, ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    answer = client.post(RUNS, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert client.post(RUNS, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 202
    assert ledger.runs.request(wish()).number == 1
