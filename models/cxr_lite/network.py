"""The film model's network: what it says of a film, it says of the film in the mirror."""

import torch
from torch import Tensor

from models.backbone import EfficientNetLite


class Mirrored(EfficientNetLite):
    """EfficientNet-Lite0 whose maps, once trained, are the mean over an image and its mirror image.

    Opacities lie on either side, but the network's padding does not: without this, evidence stays
    on one side of the image when the film is mirrored. The head is linear on the mean of the maps,
    so its logits are the mean of both too, and Grad-CAM stays a weighted sum of the maps.
    """

    def maps(self, images: Tensor) -> Tensor:
        """Return the last feature maps; in training, of the image alone."""
        if self.training:
            return super().maps(images)
        seen, mirrored = super().maps(torch.cat([images, images.flip(-1)])).chunk(2)
        return (seen + mirrored.flip(-1)) / 2.0
