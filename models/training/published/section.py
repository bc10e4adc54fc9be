"""What a published recipe says of itself, beyond what every recipe says."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

BackboneName = Literal["inception_v3", "vgg16", "mobilenet_v2", "scratch"]
SplitName = Literal["validation", "test"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Claim(_Section):
    """One published figure, and what it was measured on; without ``value`` it was not given.

    ``label``: whose recall, F1 or AUC it is. ``said``: the figure in the source's own words.
    ``rival``: the name of the same figure on the card of the `Rival`.
    """

    metric: Literal["accuracy", "recall", "f1", "auc"]
    on: SplitName
    value: float | None = Field(default=None, ge=0, le=1)
    said: str = "not given"
    label: str = ""
    rival: str = ""


class Rival(_Section):
    """A shipped model that is measured on the same images.

    ``same`` and ``unseen`` are what its card says of where its figures were measured: as
    published, and without patients of training.
    """

    model: str
    same: str
    unseen: str


class Distort(_Section):
    """Random changes to whole images, as Keras's ImageDataGenerator names them.

    ``shift``: part of the edge. ``shear_deg``; ``zoom``: scale between 1 - zoom and 1 + zoom.
    """

    rotation_deg: float = Field(default=0.0, ge=0)
    shift: float = Field(default=0.0, ge=0)
    shear_deg: float = Field(default=0.0, ge=0)
    zoom: float = Field(default=0.0, ge=0, lt=1)
    flip: bool = False
    flip_vertical: bool = False


class Published(_Section):
    """A recipe of somebody else.

    ``column`` of ``manifest`` says which images it uses, with the values ``train`` and ``test``;
    where it has other values, all its images are divided by ``test_share``. ``sets``: limits the
    images to these sets. ``validation_share`` is taken out of training. Both divisions are
    random by image and class, as theirs were. ``fallback``: starts from ../weights where
    ``backbone`` cannot be downloaded. ``pool``: edge of the average pool before the dense layer.
    """

    title: str
    source: str
    manifest: Literal["cxr", "slices"] = "cxr"
    column: str
    sets: tuple[str, ...] = ()
    labels: tuple[str, ...] = Field(min_length=2)
    test_share: float = Field(default=0.0, ge=0, lt=1)
    validation_share: float = Field(default=0.0, ge=0, lt=1)
    edge: int = Field(ge=32)
    backbone: BackboneName
    fallback: BackboneName = "mobilenet_v2"
    pool: int = Field(default=1, ge=1)
    dense: int = Field(ge=1)
    passes: int = Field(ge=1)
    distort: Distort = Distort()
    claims: tuple[Claim, ...] = Field(min_length=1)
    rival: Rival | None = None
    notes: tuple[str, ...] = ()

    @property
    def wordless(self) -> Self:
        """Return what training depends on, without what is only told about it."""
        words = {"title": "", "source": "", "claims": (), "rival": None, "notes": ()}
        return self.model_copy(update=words)
