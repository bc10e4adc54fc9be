"""What every model says of itself, from its card."""

from dicom_node.domain import ModelIdentity, StudyKind
from models.card import ModelCard


class Carded:
    """A model with a card."""

    def __init__(self, card: ModelCard) -> None:
        self._card = card

    @property
    def card(self) -> ModelCard:
        """Return the model's card."""
        return self._card

    @property
    def identity(self) -> ModelIdentity:
        """Return which weights these are."""
        return self._card.identity

    @property
    def kind(self) -> StudyKind:
        """Return what this model reads."""
        return self._card.kind
