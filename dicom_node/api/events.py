"""The route of the server-sent events: which rows of the worklist changed, and the node's state.

Nothing is sent while nothing changes. A client that comes back says which event it saw last
(``Last-Event-ID``) and is told what it missed; it may be told of a row once more than need be.
"""

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dicom_node.api.answers import Event
from dicom_node.api.problems import document
from dicom_node.api.services import User, Who
from dicom_node.api.streams import Client, Stream
from dicom_node.api.watch import PATH, Watch

_GOODBYE_S: Final = 1.0
_MEDIA_TYPE: Final = "text/event-stream"

_ONE_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "data"],
    "properties": {
        "id": {"type": "string"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Event"},
        },
    },
}
"""What each item of the stream is, in OpenAPI 3.2's words, as FastAPI uses them."""

router = APIRouter(tags=["worklist"])


class EventResponse(Response):
    """Sends a stream until its client goes or it is over."""

    def __init__(self, watch: Watch, stream: Stream, last: str) -> None:
        super().__init__()
        del self.headers["content-length"]
        self.headers["content-type"] = f"{_MEDIA_TYPE}; charset=utf-8"
        self.headers["cache-control"] = "no-store"
        self.headers["x-accel-buffering"] = "no"  # a proxy would wait for more
        self._watch = watch
        self._stream = stream
        self._last = last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head at once, since nothing else may come for hours, and then each event."""
        del scope
        head = {"type": "http.response.start", "status": self.status_code}
        await send({**head, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send(send))
        tasks = (
            sending,
            asyncio.create_task(_gone(receive)),
            asyncio.create_task(self._stream.over.wait()),
        )
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._watch.leave(self._stream)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not sending.cancelled():
            sending.result()
        with suppress(TimeoutError):  # whoever does not read is not said goodbye to
            last = {"type": "http.response.body", "body": b"", "more_body": False}
            await asyncio.wait_for(send(last), _GOODBYE_S)

    async def _send(self, send: Send) -> None:
        async for event in self._watch.events(self._stream, self._last):
            await send({"type": "http.response.body", "body": event, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _watch(request: Request) -> Watch:
    watch: Watch = request.app.state.watch
    return watch


@router.get(
    PATH,
    response_model=Event,
    response_class=EventResponse,
    status_code=HTTPStatus.OK,  # FastAPI would look for it in the parameters of the class
    responses={
        HTTPStatus.OK.value: {"content": {_MEDIA_TYPE: {"itemSchema": _ONE_EVENT}}},
        **document(HTTPStatus.SERVICE_UNAVAILABLE),
    },
)
async def events(
    request: Request,
    user: User,
    who: Who,
    watch: Annotated[Watch, Depends(_watch)],
    last: Annotated[str, Header(alias="Last-Event-ID", description="id of the last event")] = "",
) -> EventResponse:
    """Tell of each change as it happens, one JSON object an event, until either side ends it.

    The first event tells the node's state. An ``id`` stands for all that was seen until then:
    with it as ``Last-Event-ID`` no change is lost. A row that is named is to be asked for anew,
    from ``/ai/worklist`` or ``/ai/studies/{uid}``. 503: too many streams are open.
    """
    stream = await watch.join(Client(user, request.headers, who.of_the_node), last)
    return EventResponse(watch, stream, last)
