"""Images that were never films of a chest, kind by kind: what a gate must refuse.

Only the kinds of `negatives` and `bodyparts` are trained on, with other seeds; the rest is for
measuring alone.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from typing import Final

import numpy as np
import pydicom
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from pydicom.data import get_testdata_file
from scipy import ndimage

from dicom_node.domain import Sample
from models import imaging
from models.imaging import Float
from models.training import bodyparts, negatives
from models.training.cache import read_grey
from models.training.negatives import Random

_EDGE: Final = 320
_DRAWN_SEED: Final = 90_000
"""Far from the seeds of training."""
_TEXTURES: Final = ("brick", "grass", "gravel", "page", "text", "color", "logo", "clock_motion")
_BODY: Final = ("retina", "ihc", "cell", "microaneurysms", "phantom")
_PYDICOM: Final = ("CT_small", "MR_small", "693_J2KI", "JPEG2000", "JPGExtended")
_WINDOWS: Final = {
    "lung": (-1350.0, 150.0),
    "soft tissue": (-160.0, 240.0),
    "bone": (-400.0, 1100.0),
}


def constant(random: Random) -> Float:
    """Return one grey everywhere."""
    return np.full((_EDGE, _EDGE), random.random(), dtype=np.float32)


def gradient(random: Random) -> Float:
    """Return a smooth ramp, straight or round."""
    axis = np.linspace(-1, 1, _EDGE, dtype=np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    angle = random.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * x + np.sin(angle) * y
    return imaging.stretch(np.hypot(x, y) if negatives.chance(random, 0.4) else ramp)


def white_noise(random: Random) -> Float:
    """Return independent grey values, Gaussian, even, or black and white."""
    kind = int(random.integers(3))
    if kind == 0:
        return imaging.stretch(random.standard_normal((_EDGE, _EDGE)).astype(np.float32))
    even = random.random((_EDGE, _EDGE)).astype(np.float32)
    return even if kind == 1 else np.round(even)


def cloud_noise(random: Random) -> Float:
    """Return noise whose spectrum falls with frequency, as that of natural images does."""
    frequency = np.hypot(np.fft.fftfreq(_EDGE)[:, None], np.fft.rfftfreq(_EDGE)[None, :])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(random.standard_normal((_EDGE, _EDGE)))
    power = random.uniform(0.8, 2.2)
    return imaging.stretch(np.fft.irfft2(spectrum / frequency**power).astype(np.float32))


def checkerboard(random: Random) -> Float:
    """Return a regular pattern: squares or stripes."""
    period = int(random.integers(4, 80))
    y, x = np.indices((_EDGE, _EDGE)) // period
    board = (x + y) % 2 if negatives.chance(random, 0.5) else x % 2
    return board.astype(np.float32)


def page(random: Random) -> Float:
    """Return a page or a screen of text, dark on light or light on dark."""
    image = Image.new("L", (480, 600), 255)
    pen = ImageDraw.Draw(image)
    for line in range(10, 580, 14):
        words = "".join(chr(int(c)) for c in random.integers(97, 123, int(random.integers(10, 60))))
        pen.text((20, line), words, fill=0, font_size=11.0)
    grey = np.asarray(image, dtype=np.float32) / 255.0
    return 1.0 - grey if negatives.chance(random, 0.5) else grey


def plot(random: Random) -> Float:
    """Return a plot with axes, as a screen capture would hold it."""
    figure = Figure(figsize=(4, 4), dpi=90)
    axes = figure.add_subplot()
    axes.plot(np.cumsum(random.standard_normal((200, 3)), axis=0))
    axes.set_title("heart rate")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib ships it untyped
    colours = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]  # as above
    return np.asarray(colours[..., :3].mean(axis=2) / 255.0, dtype=np.float32)


def _drawn(name: str) -> Callable[[Random], Float]:
    return lambda random: bodyparts.rendered(name, _DRAWN_SEED + int(random.integers(10_000)))


MADE: Final[Mapping[str, Callable[[Random], Float]]] = {
    "constant grey": constant,
    "gradient": gradient,
    "white noise": white_noise,
    "cloud noise": cloud_noise,
    "smoothed noise": negatives.noise,
    "squares and stripes": checkerboard,
    "page of text": page,
    "plot": plot,
    "shapes and letters": lambda random: np.clip(negatives.drawing(random), 0, 1),
    "drawn limb": lambda random: np.clip(negatives.limb(random), 0, 1),
    **{f"drawn {name}": _drawn(name) for name in bodyparts.PARTS},
}
"""Kinds that need no data."""


def photographs() -> Iterator[tuple[str, Float]]:
    """Yield (kind, picture) of what scikit-learn, matplotlib and scikit-image carry."""
    for image in negatives.photographs():
        yield "photograph", image
    with resources.as_file(resources.files("skimage.data")) as folder:
        for file in sorted([*folder.glob("*.png"), *folder.glob("*.jpg")]):
            kind = "photograph of scikit-image"
            if file.stem in _TEXTURES or file.stem.startswith("chessboard"):
                kind = "texture or text of scikit-image"
            elif file.stem in _BODY:
                kind = "microscopy, retina, head phantom of scikit-image"
            yield kind, read_grey(file)


def other_modalities() -> Iterator[tuple[str, Float]]:
    """Yield (kind, image) of the CT, MR and other images that come with pydicom."""
    for name in _PYDICOM:
        file = get_testdata_file(f"{name}.dcm", download=False)
        if file is None:
            continue
        pixels = pydicom.dcmread(str(file)).pixel_array.astype(np.float32)
        yield "CT, MR and other images of pydicom", imaging.stretch(pixels)


def _isotropic(sample: Sample) -> tuple[Float, float]:
    """Return the volume with slices as far apart as pixels, thinned, and that distance in mm."""
    spacing = 2 * (sample.geometry.column_spacing_mm or 0.75)
    z = np.asarray(sample.geometry.positions_mm)
    thin = np.clip(sample.pixels[:, ::2, ::2], -1000.0, 1500.0)
    zoom = abs(z[-1] - z[0]) / (len(z) - 1) / spacing
    return ndimage.zoom(thin, (zoom, 1, 1), order=1)[::-1], spacing


def _shadow(volume: Float, axis: int) -> Float:
    return imaging.stretch((volume / 1000.0 + 1.0).sum(axis=axis).astype(np.float32))


def of_volume(sample: Sample, random: Random) -> Iterator[tuple[str, Float]]:
    """Yield (kind, image) of one CT volume: slices, reformats, and projections on all sides."""
    volume, _ = _isotropic(sample)
    for name, (low, high) in _WINDOWS.items():
        for plane in sample.pixels[::4]:
            yield f"CT slice, {name} window", np.clip((plane - low) / (high - low), 0.0, 1.0)
    low, high = _WINDOWS["lung"]
    for share in (0.35, 0.42, 0.5, 0.58, 0.65):
        middle = int(share * volume.shape[1])
        yield "coronal reformat of a CT", np.clip((volume[:, middle] - low) / (high - low), 0, 1)
        plane = volume[:, :, int(share * volume.shape[2])]
        yield "sagittal reformat of a CT", np.clip((plane - low) / (high - low), 0, 1)
    yield "scout: frontal projection of a CT", _shadow(volume, 1)
    yield "frontal projection of a CT, upside down", _shadow(volume, 1)[::-1]
    yield "projection of a CT along the body", _shadow(volume, 0)
    for _ in range(6):
        yield "lateral projection of a CT", negatives.side_projection(sample, random)
    for angle in (30.0, 45.0, 60.0, -30.0, -45.0, -60.0):
        turned = ndimage.rotate(volume, angle, axes=(1, 2), reshape=False, order=1, cval=-1000.0)
        yield f"oblique projection of a CT, {abs(angle):.0f} degrees", _shadow(turned, 1)
