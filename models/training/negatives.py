"""Images that are no frontal chest film, made or rendered: what the gate learns to refuse.

Sources: films turned, inverted and cut to a corner; CT slices; projections of real and
synthetic volumes from the side; synthetic knees; drawn limbs; noise, gradients and text;
photographs that come with installed packages. Everything is seeded.
"""

import math
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Final

import numpy as np
from matplotlib import cbook
from PIL import Image, ImageDraw
from scipy import ndimage

from dicom_node.domain import Sample
from models import imaging
from models.imaging import Float

Random = np.random.Generator

_EDGE: Final = 256
_WATER_PER_MM: Final = 0.0195


def chance(random: Random, odds: float) -> bool:
    """Return True with these odds."""
    return bool(random.random() < odds)


def turned(film: Float, quarter_turns: int) -> Float:
    """Return a film turned by quarter turns."""
    return np.ascontiguousarray(np.rot90(film, quarter_turns))


def heavy_crop(film: Float, random: Random) -> Float:
    """Return a piece of a film, 5 to 22 % of its area, turned at random: a shoulder, a rib."""
    rows, columns = film.shape
    part = math.sqrt(random.uniform(0.05, 0.22))
    stretch = math.exp(random.uniform(-0.4, 0.4))
    height = max(24, int(rows * min(0.9, part * stretch)))
    width = max(24, int(columns * min(0.9, part / stretch)))
    top, left = random.integers(0, rows - height + 1), random.integers(0, columns - width + 1)
    return turned(film[top : top + height, left : left + width], int(random.integers(4)))


def projection(sample: Sample, angle_deg: float, random: Random) -> Float:
    """Return a projection of a real CT series, head up, with a random grey curve.

    ``angle_deg``: 0 is frontal, 90 lateral.
    """
    spacing = sample.geometry.column_spacing_mm or 0.75
    z = np.asarray(sample.geometry.positions_mm)
    volume = np.clip(sample.pixels[:, ::2, ::2], -1000.0, 1500.0)
    volume = ndimage.rotate(volume, angle_deg, axes=(1, 2), reshape=False, order=1, cval=-1000.0)
    mu = (volume / 1000.0 + 1.0) * _WATER_PER_MM
    path = mu.sum(axis=1) * spacing * 2
    rows = max(48, int(abs(z[-1] - z[0]) / (2 * spacing)))
    image = imaging.resize(path[::-1].astype(np.float32), rows, path.shape[1])
    image = imaging.stretch(image) ** random.uniform(0.5, 1.2)
    return image[:, ::-1] if chance(random, 0.5) else image


def side_projection(sample: Sample, random: Random) -> Float:
    """Return a lateral projection of a real CT series, head up, with a random tilt and curve."""
    return projection(sample, 90.0 + random.uniform(-25, 25), random)


def noise(random: Random) -> Float:
    """Return noise of a random grain, or a gradient with some."""
    grain = random.choice([0.0, 0.7, 2.0, 6.0, 20.0])
    image = random.standard_normal((_EDGE, _EDGE)).astype(np.float32)
    image = imaging.stretch(ndimage.gaussian_filter(image, grain))
    if chance(random, 0.3):
        slope = np.linspace(0, 1, _EDGE, dtype=np.float32)
        image = 0.15 * image + np.add.outer(random.uniform(-1, 1) * slope, slope)
    return np.asarray(image, dtype=np.float32)


def drawing(random: Random) -> Float:
    """Return text and shapes, as a document or a screen shows them."""
    image = Image.new("L", (_EDGE, _EDGE), int(random.integers(256)))
    pen = ImageDraw.Draw(image)
    for _ in range(int(random.integers(3, 25))):
        x, y = (int(v) for v in random.integers(0, _EDGE, 2))
        grey = int(random.integers(256))
        w, h = (int(v) for v in random.integers(8, 120, 2))
        kind = random.integers(4)
        if kind == 0:
            pen.rectangle((x, y, x + w, y + h), fill=grey)
        elif kind == 1:
            pen.ellipse((x, y, x + w, y + h), outline=grey, width=int(random.integers(1, 9)))
        elif kind == 2:  # noqa: PLR2004
            pen.line((x, y, x + w - 60, y + h - 60), fill=grey, width=int(random.integers(1, 9)))
        else:
            letters = "".join(chr(int(c)) for c in random.integers(33, 123, 12))
            pen.text((x - 60, y), letters, fill=grey, font_size=float(random.integers(9, 40)))
    return np.asarray(image, dtype=np.float32) / 255.0


def _thickness(distance: Float, radius: float) -> Float:
    """Return the chord through a cylinder at a distance from its axis."""
    return np.asarray(np.sqrt(np.maximum(radius**2 - distance**2, 0.0)), dtype=np.float32)


def _segment(x: Float, y: Float, ends: tuple[float, float, float, float]) -> tuple[Float, Float]:
    """Return distance from a segment and position along it, 0 to 1."""
    x0, y0, x1, y1 = ends
    dx, dy = x1 - x0, y1 - y0
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy + 1e-6), 0.0, 1.0)
    distance = np.hypot(x - x0 - along * dx, y - y0 - along * dy)
    return distance.astype(np.float32), along.astype(np.float32)


def _bone(x: Float, y: Float, ends: tuple[float, float, float, float], radius: float) -> Float:
    """Return attenuation of a long bone: cortex around marrow, wider at its ends."""
    distance, along = _segment(x, y, ends)
    outer = radius * (1.0 + 0.8 * np.abs(2.0 * along - 1.0) ** 4)
    shape = distance / outer
    shell = _thickness(shape, 1.0) - 0.75 * _thickness(shape, 0.72)
    return np.asarray(shell * radius, dtype=np.float32)


def limb(random: Random) -> Float:
    """Return a drawn limb: one to five long bones in soft tissue, at any angle."""
    axis = np.linspace(-1, 1, _EDGE, dtype=np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    turn = random.uniform(-math.pi, math.pi) if chance(random, 0.4) else random.normal(0, 0.15)
    x, y = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    count = int(random.choice([1, 1, 2, 2, 2, 5]))
    image = np.zeros_like(x)
    spread = random.uniform(0.12, 0.3)
    joint = random.uniform(-0.5, 0.6)
    for index in range(count):
        place = (index - (count - 1) / 2) * spread
        radius = random.uniform(0.05, 0.14) / math.sqrt(count)
        lean = random.normal(0, 0.08) + (0.25 * place if count > 2 else 0.0)  # noqa: PLR2004
        image += _bone(x, y, (place - lean, -1.3, place, joint - 0.02), radius)
        image += _bone(
            x, y, (place, joint + 0.02, place + lean, 1.3), radius * random.uniform(0.7, 1.2)
        )
    flesh = random.uniform(0.25, 0.75)
    distance, _ = _segment(x, y, (0.0, -1.3, 0.0, 1.3))
    image = random.uniform(2.0, 5.0) * image + _thickness(distance, flesh)
    if chance(random, 0.3):
        size = random.uniform(0.35, 0.8)
        ring = np.hypot(x - random.normal(0, 0.2), (y - joint) * random.uniform(0.7, 1.3))
        image += 1.5 * (_thickness(ring, size) - _thickness(ring, size * 0.93))
    image = ndimage.gaussian_filter(image, random.uniform(0.5, 2.0))
    image = imaging.stretch(image.astype(np.float32)) ** random.uniform(0.6, 1.6)
    return np.asarray(image + 0.02 * random.standard_normal(image.shape), dtype=np.float32)


def photographs() -> tuple[Float, ...]:
    """Return the photographs that come with scikit-learn and matplotlib, grey."""
    images = resources.files("sklearn.datasets") / "images"
    files = [images / name for name in ("china.jpg", "flower.jpg")]
    found = []
    for file in files:
        with resources.as_file(file) as path, Image.open(path) as image:
            found.append(np.asarray(image.convert("L"), dtype=np.float32) / 255.0)
    for name in ("grace_hopper.jpg", "logo2.png"):
        with Image.open(str(cbook.get_sample_data(name, asfileobj=False))) as image:
            found.append(np.asarray(image.convert("L"), dtype=np.float32) / 255.0)
    return tuple(found)


def photograph(pool: Sequence[Float], random: Random) -> Float:
    """Return a random piece of a random photograph, mirrored or turned at times."""
    whole = pool[int(random.integers(len(pool)))]
    rows, columns = whole.shape
    height = int(rows * random.uniform(0.3, 1.0))
    width = int(columns * random.uniform(0.3, 1.0))
    top, left = random.integers(0, rows - height + 1), random.integers(0, columns - width + 1)
    piece = whole[top : top + height, left : left + width]
    if chance(random, 0.3):
        piece = 1.0 - piece
    return piece[:, ::-1] if chance(random, 0.5) else piece


def made(count: int, random: Random) -> Iterator[Float]:
    """Yield ``count`` images that need no data: noise, drawings, limbs, photographs."""
    pool = photographs()
    for index in range(count):
        kind = index % 6
        if kind == 0:
            yield noise(random)
        elif kind == 1:
            yield drawing(random)
        elif kind == 2:  # noqa: PLR2004
            yield photograph(pool, random)
        else:
            yield limb(random)
