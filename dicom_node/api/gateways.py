"""How routes get at Orthanc."""

from typing import Annotated

from fastapi import Depends, Request

from dicom_node.archive.gateway import Gateway


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


Through = Annotated[Gateway, Depends(_gateway)]
