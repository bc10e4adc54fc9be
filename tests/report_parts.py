"""Parts of a report, given and drawn at random."""

import numpy as np
from hypothesis import strategies as st

from models.training.report import Attribute, Part

LABELS = ("normal", "bacterial_pneumonia", "viral_pneumonia", "covid19")
HOSTILE = "<script>alert('x')</script> & \"co\""


def part(truth: list[int], p: list[list[float]], **more: object) -> Part:
    n = len(truth)
    return Part(
        name="core test",
        labels=LABELS[: len(p[0])],
        truth=np.array(truth),
        probabilities=np.array(p, dtype=np.float32),
        groups=np.array([f"patient-{index}" for index in range(n)]),
        ids=np.array([f"film-{index}" for index in range(n)]),
        **more,  # type: ignore[arg-type]  # each test gives what it needs
    )


@st.composite
def parts(draw: st.DrawFn) -> Part:
    n = draw(st.integers(1, 20))
    labels = LABELS[: draw(st.integers(1, 4))]
    rows = st.lists(st.floats(0.01, 1), min_size=len(labels), max_size=len(labels))
    p = np.array(draw(st.lists(rows, min_size=n, max_size=n)), dtype=np.float32)
    column = st.lists(st.integers(-1, len(labels) - 1), min_size=n, max_size=n)
    allowed = np.array(draw(st.lists(rows, min_size=n, max_size=n))) > 0.5
    words = st.lists(st.sampled_from(["child", "adult", "", HOSTILE]), min_size=n, max_size=n)
    return Part(
        name=draw(st.sampled_from(["core test", HOSTILE, "nih256 test (adults)"])),
        labels=labels,
        truth=np.array(draw(column)),
        probabilities=p / p.sum(axis=1, keepdims=True),
        groups=np.array(draw(st.lists(st.sampled_from("abcde"), min_size=n, max_size=n))),
        ids=np.array([f"film-{index}" for index in range(n)]),
        uncalibrated=draw(st.sampled_from([None, p / p.sum(axis=1, keepdims=True)])),
        allowed=draw(st.sampled_from([None, allowed])),
        attributes=(Attribute("population", np.array(draw(words))),),
    )
