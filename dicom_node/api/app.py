"""The API process' application: routes under ``/ai``, the viewer under ``/ohif``."""

from importlib import metadata

from fastapi import Depends, FastAPI
from starlette.staticfiles import StaticFiles

from dicom_node.api import history, looks, monitor, pages, problems, qido, studies, worklist
from dicom_node.api.services import Services
from dicom_node.api.viewer import ViewerFiles


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
        responses=problems.document(problems.INVALID),
    )
    app.state.services = services
    problems.install(app)
    for module in (studies, history, pages, monitor):
        app.include_router(module.router)
    for module in (worklist, qido):
        app.include_router(module.router, dependencies=[Depends(looks.at_list)])
    app.mount("/ai/static", StaticFiles(directory=pages.STATIC), name="static")
    app.mount("/ohif", ViewerFiles(services.settings.viewer), name="viewer")
    return app
