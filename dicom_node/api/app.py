"""The API process' application: routes under ``/ai``, and those of DICOMweb."""

from importlib import metadata

from fastapi import Depends, FastAPI

from dicom_node.access.fetches import Fetches
from dicom_node.access.oidc import Provider
from dicom_node.access.origin import Origins
from dicom_node.api import (
    dicomweb,
    events,
    history,
    instances,
    looks,
    monitor,
    pages,
    problems,
    removal,
    rest,
    signin,
    sso,
    stow,
    studies,
    tools,
    worklist,
)
from dicom_node.api.door import Door
from dicom_node.api.doorkeeper import Doorkeeper
from dicom_node.api.services import Services
from dicom_node.api.watch import Watch
from dicom_node.archive.gateway import Gateway


def create(services: Services) -> FastAPI:
    """Build the application on its ports."""
    app = FastAPI(
        title="dicom-node",
        version=metadata.version("dicom-node"),
        description="AI triage of chest studies. RESEARCH USE ONLY; not for diagnosis.",
        openapi_url="/ai/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=problems.document(*problems.ANYWHERE),
    )
    app.state.services = services
    app.state.gateway = Gateway(services.settings)
    app.state.door = Door(services.ledger, services.settings)
    app.state.watch = Watch(services, app.state.door)
    site = services.settings
    app.state.provider = None if site.oidc is None else Provider(site.oidc, site.public)
    app.add_middleware(
        Doorkeeper,
        door=app.state.door,
        services=services,
        origins=Origins.of(services.settings.public),
        fetches=Fetches(services.look_up),
    )
    problems.install(app)
    for module in (
        signin,
        sso,
        studies,
        history,
        pages,
        monitor,
        tools,
        stow,
        instances,
        removal,
        rest,
    ):
        app.include_router(module.router)
    for module in (worklist, events, dicomweb):
        app.include_router(module.router, dependencies=[Depends(looks.at_list)])
    app.mount("/ai/static", pages.Files(directory=pages.STATIC), name="static")
    return app
