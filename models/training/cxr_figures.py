"""The figures of a chest film model's card: by set, by age, by source and by view."""

from typing import Final

from dicom_node.errors import SettingsError
from models.card import Figure, Label
from models.training import metrics
from models.training.read import COVID, LABELS, NORMAL, Read

_FEWEST: Final = 5
"""Fewer films than this of one kind make no figure."""


def _four_classes(read: Read, on: str) -> Figure:
    statistic = metrics.balanced_accuracy(read.p, read.truth)
    return metrics.figure("balanced accuracy, four classes", on, statistic, read.groups)


def _against_normal(read: Read, name: str, on: str) -> Figure:
    """AUC of anything but normal against normal."""
    score = 1.0 - read.p[:, NORMAL]
    return metrics.figure(name, on, metrics.auc(score, read.truth != NORMAL), read.groups)


def covid_against_normal(read: Read, on: str) -> Figure:
    """Return the AUC of the probability of COVID-19, its films against normal ones."""
    pair = read.labelled("normal", "covid19")
    statistic = metrics.auc(pair.p[:, COVID], pair.truth == COVID)
    return metrics.figure("AUC, COVID-19 against normal", on, statistic, pair.groups)


def _at_threshold(read: Read, label: Label) -> tuple[Figure, ...]:
    """Sensitivity and specificity of one finding at its threshold."""
    index = LABELS.index(label.label)
    said = read.p[:, index] >= label.threshold
    sick = read.truth == index
    on = f"core test, threshold {label.threshold:.3f}"
    return (
        metrics.figure(
            f"sensitivity for {label.label}", on, metrics.rate(said[sick]), read.groups[sick]
        ),
        metrics.figure(
            f"specificity for {label.label}", on, metrics.rate(~said[~sick]), read.groups[~sick]
        ),
    )


def _undetermined(read: Read, label: Label) -> Figure:
    p = read.p[:, LABELS.index(label.label)]
    between = (p >= label.absent_below) & (p < label.present_from)
    name = f"share left undetermined for {label.label}"
    return metrics.figure(name, "core test", metrics.rate(between), read.groups)


def _recalls(read: Read) -> list[Figure]:
    figures = []
    for adult, who in ((False, "children"), (True, "adults")):
        for index, label in enumerate(LABELS):
            mine = read.of(adult=adult, label=label)
            if mine.items:
                right = metrics.rate(mine.p.argmax(axis=1) == index)
                on = f"core test, {who}"
                figures.append(metrics.figure(f"recall of {label}", on, right, mine.groups))
    return figures


def _parts(read: Read) -> list[Figure]:
    """Accuracy over four classes by view and by source, where there are films enough."""
    views = sorted({item.view for item in read.items if item.view})
    sources = ("Kermany", "NIH", "ieee8023")
    parts = [(f"core test, view {view}", read.of(view=view)) for view in views]
    parts += [(f"core test, source {source}", read.sourced(source)) for source in sources]
    return [
        metrics.figure(
            "accuracy, four classes", on, metrics.accuracy(mine.p, mine.truth), mine.groups
        )
        for on, mine in parts
        if len(mine.items) >= _FEWEST
    ]


def _calibration(read: Read, on: str) -> Figure:
    statistic = metrics.expected_calibration_error(read.p, read.truth)
    return metrics.figure("expected calibration error", on, statistic, read.groups)


def held_out(read: Read, sources: tuple[str, ...]) -> tuple[Figure, ...]:
    """Return what a model says of whole sources that neither training nor val has seen."""
    mine = read.sourced(*sources)
    name = " and ".join(sources)
    try:
        return (covid_against_normal(mine, f"all films of {name}, held out of training"),)
    except SettingsError:
        return ()


def figures(test: Read, labels: tuple[Label, ...]) -> tuple[Figure, ...]:
    """Return every figure of the card that follows from the test split."""
    core = test.of(set="core").labelled(*LABELS)
    kermany = test.of(set="kermany224")
    nih = test.of(set="nih256")
    three = metrics.accuracy(kermany.p[:, :COVID], kermany.truth)
    adults = core.of(adult=True)
    return (
        _four_classes(core, "core test"),
        _four_classes(core.of(adult=False), "core test, children (no COVID-19 among them)"),
        _four_classes(adults, "core test, adults"),
        covid_against_normal(core, "core test"),
        covid_against_normal(adults, "core test, adults only"),
        *(figure for label in labels for figure in _at_threshold(core, label)),
        *(_undetermined(core, label) for label in labels),
        metrics.figure(
            "accuracy, three classes", "kermany224 test (children)", three, kermany.groups
        ),
        _against_normal(kermany, "AUC, pneumonia against normal", "kermany224 test (children)"),
        _against_normal(nih, "AUC, labelled pneumonia against normal", "nih256 test (adults)"),
        _calibration(test.labelled(*LABELS), "all labelled test films"),
        _calibration(core, "core test"),
        *_recalls(core),
        *_parts(core),
    )
