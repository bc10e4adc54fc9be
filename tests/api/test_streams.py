"""What waits for a client of the events."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from dicom_node.api.streams import MOST_STUDIES, Client, News, Stream

NEWS = st.builds(
    News, st.none() | st.frozensets(st.sampled_from(["1.1", "1.2", "1.3"])), st.booleans()
)


async def taken(told: list[News]) -> News:
    stream = Stream(Client("ada", {}))
    for news in told:
        stream.put(news)
    if not any(told):
        return News()
    return await asyncio.wait_for(stream.take(), 30)


@given(st.lists(NEWS))
def test_all_that_was_put_is_taken_at_once(told: list[News]) -> None:
    news = asyncio.run(taken(told))
    assert news.node == any(one.node for one in told)
    if any(one.studies is None for one in told):
        assert news.studies is None
    else:
        assert news.studies == frozenset().union(*(one.studies or () for one in told))


def test_no_more_waits_than_a_list_has() -> None:
    many = News(frozenset(f"1.{n}" for n in range(MOST_STUDIES)))
    assert News().and_then(many) == many
    assert many.and_then(News(frozenset({"2.1"}))) == News(None)
