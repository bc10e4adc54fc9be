"""Health, metrics and models."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dicom_node.api.app import create
from dicom_node.api.services import Services
from dicom_node.domain import ModelState, ServedModel, StudyKind
from dicom_node.errors import ArchiveUnavailable
from dicom_node.ledger import Ledger
from tests.api.conftest import sign
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
    assert "no worker has ever loaded the model for CT" in message


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
    assert "here:1: no sign of life for 61 s" in message


@pytest.mark.usefixtures("serving")
def test_worker_that_cannot_read_beside_one_that_can_degrades_the_node(
    client: AsgiClient, ledger: Ledger, clock: Clock
) -> None:
    ledger.workers.sign_of_life(sign("there:1", clock, ready=False, message="golden differs"))
    answer = client.get("/ai/health")
    assert (answer.status_code, answer.json()["ready"], answer.json()["degraded"]) == (
        200,
        True,
        True,
    )
    assert parts(client)["worker there:1"] == (False, "degraded: golden differs")
    assert parts(client)["worker"][0]


@pytest.mark.usefixtures("serving")
def test_node_none_of_whose_workers_can_read_is_not_ready(
    client: AsgiClient, ledger: Ledger, clock: Clock
) -> None:
    ledger.workers.sign_of_life(sign("here:1", clock, ready=False, message="golden differs"))
    assert client.get("/ai/health").status_code == 503
    assert parts(client)["worker"] == (False, "here:1: golden differs")


@pytest.mark.usefixtures("serving")
def test_worker_that_is_gone_or_long_silent_is_forgotten(
    client: AsgiClient, ledger: Ledger, clock: Clock
) -> None:
    for name in ("gone:1", "silent:1", "ended:1"):
        ledger.workers.sign_of_life(sign(name, clock))
    ledger.workers.forget("ended:1")
    clock.forward(3601)
    ledger.workers.sign_of_life(sign("gone:1", clock))
    ledger.workers.sign_of_life(sign("here:1", clock), ["gone:1"])
    assert [one.name for one in ledger.workers.known(clock())] == ["here:1"]
    assert not any(name.startswith("worker ") for name in parts(client))


@pytest.mark.usefixtures("serving")
def test_model_that_is_not_fit_is_told(client: AsgiClient, ledger: Ledger, clock: Clock) -> None:
    broken = ServedModel(StudyKind.CT, MODEL, "{}", False, "golden differs", "cpu", clock())
    ledger.studies.publish([broken, *ledger.studies.published_models()[1:]])
    assert parts(client)["worker"] == (False, "the model for CT is not fit: golden differs")


@pytest.fixture
def shadowed(services: Services) -> AsgiClient:
    """Return the API of a node whose policy has a shadow for films."""
    rules = services.policy.model_copy(update={"shadow": {StudyKind.CXR: "ours"}})
    return AsgiClient(create(replace(services, policy=rules)))


def shadow(clock: Clock, *, ready: bool = True, message: str = "") -> ServedModel:
    identity = replace(MODEL, name="ours")
    state = ModelState.SHADOW
    return ServedModel(StudyKind.CXR, identity, "{}", ready, message, "cpu", clock(), state)


def publish_beside(ledger: Ledger, *models: ServedModel) -> None:
    ledger.studies.publish([*ledger.studies.published_models(), *models])


@pytest.mark.usefixtures("serving")
def test_shadow_that_reads_is_a_part(shadowed: AsgiClient, ledger: Ledger, clock: Clock) -> None:
    publish_beside(ledger, shadow(clock))
    assert parts(shadowed)["shadow"] == (True, "reads ours (cpu)")
    assert parts(shadowed)["worker"] == (True, "serves ct-lite (cpu), cxr-lite (cpu)")


@pytest.mark.usefixtures("serving")
@pytest.mark.parametrize(
    ("message", "told"),
    [
        (None, "no worker has ever loaded the shadow model for CXR"),
        ("other weights", "the shadow model for CXR is not fit: other weights"),
    ],
)
def test_shadow_that_cannot_read_is_told_and_the_node_is_ready(
    shadowed: AsgiClient, ledger: Ledger, clock: Clock, message: str | None, told: str
) -> None:
    if message is not None:
        publish_beside(ledger, shadow(clock, ready=False, message=message))
    answer = shadowed.get("/ai/health")
    assert answer.status_code == 200
    assert answer.json()["ready"] is True
    assert parts(shadowed)["shadow"] == (False, told)


@pytest.mark.usefixtures("serving")
def test_models_tell_served_shadow_and_registered(
    client: AsgiClient, ledger: Ledger, clock: Clock
) -> None:
    other = replace(shadow(clock), identity=replace(MODEL, name="a"), state=ModelState.REGISTERED)
    publish_beside(ledger, shadow(clock), other)
    models = client.get("/ai/models").json()["models"]
    told = [(model["kind"], model["name"], model["state"]) for model in models]
    assert told == [
        ("CT", "ct-lite", "served"),
        ("CXR", "cxr-lite", "served"),
        ("CXR", "ours", "shadow"),
        ("CXR", "a", "registered"),
    ]


@pytest.mark.usefixtures("serving")
def test_metrics_keep_served_and_shadow_apart(
    client: AsgiClient, ledger: Ledger, clock: Clock
) -> None:
    publish_beside(ledger, shadow(clock, ready=False))
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(client.get("/ai/metrics").text)
        for sample in family.samples
    }
    assert samples["dicom_node_shadow_ready", "CXR"] == 0
    assert samples["dicom_node_model_ready", "CXR"] == 1
    assert ("dicom_node_model_info", "CXR", "ours", "1.0.0", "ab" * 32) not in samples


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
    assert models[1]["name"] == "cxr-lite"
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
    assert samples["dicom_node_model_info", "CXR", "cxr-lite", "1", "ab" * 32] == 1
    assert samples["dicom_node_model_ready", "CT"] == 1
