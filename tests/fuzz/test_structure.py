"""Data sets whose structure hypothesis draws: any VR, any bytes, nested, in any character set."""

import random
from contextlib import suppress

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bench.fuzz import targets, values, wire
from dicom_node.errors import NodeError
from dicom_node.pixels.wrap import encode
from tests.builders import Film

BASE = wire.split(encode(Film().build()))
PREAMBLE = encode(Film().build())[: wire.PREAMBLE]
TAGS = st.sampled_from([tag for tag, _ in values.LOOKED_AT])
VRS = st.sampled_from(values.VRS)
HOSTILE = values.TEXTS + values.NUMBERS + values.MOMENTS + values.UIDS
VALUES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([value for value in HOSTILE if len(value) < 600]),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
LEAVES = st.builds(wire.Element, TAGS, VRS, VALUES)
ELEMENTS = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda tag, members: wire.Element(
            tag, b"SQ", b"".join(wire.item(m.encoded()) for m in members)
        ),
        TAGS,
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)


@given(st.lists(ELEMENTS, min_size=1, max_size=6), st.sampled_from(values.CHARSETS))
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_any_structure_ends_in_a_result_or_an_error_of_the_node(
    added: list[wire.Element], charset: bytes
) -> None:
    new = {e.tag: e for e in [*BASE, wire.Element(0x00080005, b"CS", charset), *added]}
    file = wire.joined(PREAMBLE, (new[tag] for tag in sorted(new)))
    for target in ("decode", "film", "geometry", "eligibility", "report"):
        with suppress(NodeError):
            targets.TARGETS[target].call((file,))


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_elements_come_apart_and_together_again(seed: int) -> None:
    rng = random.Random(seed)
    elements = [
        wire.Element(tag, b"UN", rng.randbytes(2 * rng.randrange(20)))
        for tag, _ in sorted(rng.sample(values.LOOKED_AT, 5))
    ]
    assert wire.split(wire.joined(PREAMBLE, elements)) == elements
