"""Health, metrics and models."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dicom_node.api.app import create
from dicom_node.api.services import Services
from dicom_node.domain import ServedModel, StudyKind
from dicom_node.errors import ArchiveUnavailable
from dicom_node.ledger import Ledger
from tests.asgi import AsgiClient
from tests.ledgers import MODEL, Clock, finish, start, study, wish


def parts(client: AsgiClient) -> dict[str, tuple[bool, str]]:
    return {p["name"]: (p["ok"], p["message"]) for p in client.get("/ai/health").json()["parts"]}


@pytest.mark.usefixtures("serving")
def test_node_whose_parts_are_well_is_ready(client: AsgiClient) -> None:
    answer = client.get("/ai/health")
    assert answer.status_code == 200
    assert answer.json()["ready"] is True
    assert list(parts(client)) == ["orthanc", "redis", "ledger", "intake", "worker", "disk"]
    assert all(ok for ok, _ in parts(client).values())


def test_node_without_a_worker_is_not_ready(client: AsgiClient) -> None:
    answer = client.get("/ai/health")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["ready"] is False
    ok, message = parts(client)["worker"]
    assert not ok
    assert "no worker has ever served a model for CT" in message


@pytest.mark.usefixtures("serving")
def test_intake_that_fell_silent_is_told(client: AsgiClient, clock: Clock) -> None:
    clock.forward(61)
    ok, message = parts(client)["intake"]
    assert not ok
    assert "sweep" in message


@pytest.mark.usefixtures("serving")
def test_worker_that_fell_silent_is_told(client: AsgiClient, clock: Clock) -> None:
    clock.forward(51)
    ok, message = parts(client)["worker"]
    assert not ok
    assert "no sign of life of the model for CXR for 61 s" in message


@pytest.mark.usefixtures("serving")
def test_model_that_is_not_fit_is_told(client: AsgiClient, ledger: Ledger, clock: Clock) -> None:
    broken = ServedModel(StudyKind.CT, MODEL, "{}", False, "golden differs", "cpu", clock())
    ledger.studies.publish(broken)
    assert parts(client)["worker"] == (False, "the model for CT is not fit: golden differs")


@pytest.mark.usefixtures("serving")
def test_part_that_is_away_is_told_beside_the_others(services: Services) -> None:
    def away() -> str:
        raise ArchiveUnavailable("Orthanc does not answer; see var/log")

    broken = replace(services, probes={**services.probes, "orthanc": away})
    client = AsgiClient(create(broken))
    found = parts(client)
    assert found["orthanc"] == (False, "Orthanc does not answer; see var/log")
    assert found["redis"][0]


@pytest.mark.usefixtures("serving")
def test_home_that_is_gone_is_told(services: Services) -> None:
    moved = services.settings.model_copy(update={"home": services.settings.home / "gone"})
    client = AsgiClient(create(replace(services, settings=moved)))
    assert parts(client)["disk"][0] is False


@pytest.mark.usefixtures("serving")
def test_models_show_their_cards(client: AsgiClient) -> None:
    models = client.get("/ai/models").json()["models"]
    assert [model["kind"] for model in models] == ["CT", "CXR"]
    assert models[1]["name"] == "cxr-mobilenet"
    assert models[1]["card"] == {"limits": ["adults"]}


@pytest.mark.usefixtures("serving")
def test_metrics_are_what_the_ledger_counts(
    client: AsgiClient, ledger: Ledger, clock: Clock
) -> None:
    claim = start(ledger, uid="1.2.1")
    clock.forward(4)
    finish(ledger, claim)
    ledger.studies.record(study("1.2.2"), "CR")
    ledger.runs.request(wish(uid="1.2.2"))
    clock.forward(9)
    answer = client.get("/ai/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert samples["dicom_node_studies", "REPORTED"] == 1
    assert samples["dicom_node_studies", "FAILED"] == 0
    assert samples["dicom_node_runs", "QUEUED"] == 1
    assert samples[("dicom_node_oldest_queued_seconds",)] == 9
    assert samples["dicom_node_turnaround_seconds_bucket", "2.5"] == 0
    assert samples["dicom_node_turnaround_seconds_bucket", "5.0"] == 1
    assert samples["dicom_node_turnaround_seconds_bucket", "+Inf"] == 1
    assert samples[("dicom_node_turnaround_seconds_sum",)] == 4
    assert samples["dicom_node_model_info", "CXR", "cxr-mobilenet", "1", "ab" * 32] == 1
    assert samples["dicom_node_model_ready", "CT"] == 1
