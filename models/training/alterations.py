"""Real films altered, each with what a gate ought to make of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image
from scipy import ndimage

from models import imaging
from models.imaging import Float
from models.training import negatives
from models.training.negatives import Random


class Wanted(StrEnum):
    """What a gate ought to do with a kind of image."""

    PASS = "pass"  # noqa: S105  # nosec B105  # not a password
    REFUSE = "refuse"
    EITHER = "either"
    """Readers would differ; measured, and nothing is asked."""


@dataclass(frozen=True, slots=True)
class Alteration:
    """One change of a film, and what a gate ought to make of the result."""

    change: Callable[[Float, Random], Float]
    wanted: Wanted


def part(film: Float, top: float, bottom: float, left: float, right: float) -> Float:
    """Return the part of a film between these shares of its height and width."""
    rows, columns = film.shape
    return film[int(top * rows) : int(bottom * rows), int(left * columns) : int(right * columns)]


def framed(film: Float, share: float, grey: float) -> Float:
    """Return a film inside a flat frame; ``share`` of each edge of the whole is frame."""
    rows, columns = film.shape
    wide = round(share * columns / (1 - 2 * share))
    high = round(share * rows / (1 - 2 * share))
    return np.pad(film, ((high, high), (wide, wide)), constant_values=grey)


def collimated(film: Float, random: Random, share: float) -> Float:
    """Return a film whose borders are black, as by shutters, on unequal sides."""
    rows, columns = film.shape
    cuts = random.dirichlet((4, 4), 2) * 2 * share
    inside = np.zeros_like(film)
    window = np.s_[
        int(cuts[0, 0] * rows) : rows - int(cuts[0, 1] * rows),
        int(cuts[1, 0] * columns) : columns - int(cuts[1, 1] * columns),
    ]
    inside[window] = film[window]
    return inside


def jpeg(film: Float, quality: int) -> Float:
    """Return a film that went through a JPEG of this quality."""
    buffer = BytesIO()
    Image.fromarray(np.round(film * 255).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.asarray(image, dtype=np.float32) / 255.0


def coarsened(film: Float, edge: int) -> Float:
    """Return a film sampled down to ``edge`` pixels and up again."""
    rows, columns = film.shape
    return imaging.resize(imaging.resize(film, edge, edge), rows, columns)


def paired(film: Float, axis: int) -> Float:
    """Return a film twice in one image, the second one mirrored."""
    return np.concatenate((film, film[:, ::-1]), axis=axis)


def jigsaw(film: Float, random: Random, pieces: int) -> Float:
    """Return a film cut into pieces * pieces tiles that lie in another order."""
    edge = 240 // pieces
    whole = imaging.resize(film, edge * pieces, edge * pieces)
    tiles = whole.reshape(pieces, edge, pieces, edge).swapaxes(1, 2).reshape(-1, edge, edge)
    order = np.roll(random.permutation(len(tiles)), 1)
    shuffled = tiles[order].reshape(pieces, pieces, edge, edge).swapaxes(1, 2)
    return np.ascontiguousarray(shuffled.reshape(edge * pieces, edge * pieces))


def long_body(film: Float, random: Random) -> Float:
    """Return a film with as much belly again below it, as on a film of a whole infant."""
    belly = part(film, 0.72, 1.0, 0.1, 0.9)
    rows, columns = film.shape
    below = imaging.resize(belly, int(rows * random.uniform(0.8, 1.3)), columns)
    return np.concatenate((film, below[::-1]))


def overexposed(film: Float, share: float) -> Float:
    """Return a film of which the darkest ``share`` is black."""
    low = float(np.quantile(film, share))
    clear = np.clip((film - low) / (1.0 - low + 1e-6), 0.0, 1.0)
    return np.asarray(clear, dtype=np.float32)


def low_contrast(film: Float, levels: int) -> Float:
    """Return a film pressed into so many neighbouring levels of 8 bit."""
    pressed = 0.4 + np.round(film * levels) / 255.0
    return pressed.astype(np.float32)


def grainy(film: Float, random: Random, strength: float) -> Float:
    """Return a film under noise."""
    noise = random.standard_normal(film.shape)
    return np.clip(film + strength * noise, 0.0, 1.0).astype(np.float32)


def _still(change: Callable[[Float], Float]) -> Callable[[Float, Random], Float]:
    return lambda film, _random: change(film)


def _part(top: float, bottom: float, left: float, right: float) -> Callable[[Float, Random], Float]:
    return _still(partial(part, top=top, bottom=bottom, left=left, right=right))


def _quarter(film: Float, random: Random) -> Float:
    top, left = random.integers(2, size=2) / 2
    return part(film, top, top + 0.5, left, left + 0.5)


def _tilted(film: Float, random: Random) -> Float:
    angle = float(random.uniform(5, 10) * random.choice([-1, 1]))
    return np.asarray(ndimage.rotate(film, angle, reshape=False, order=1), dtype=np.float32)


ALTERATIONS: Final[Mapping[str, Alteration]] = {
    "film as it is": Alteration(_still(lambda f: f), Wanted.PASS),
    "mirrored film": Alteration(_still(lambda f: f[:, ::-1]), Wanted.PASS),
    "inverted film": Alteration(_still(lambda f: 1.0 - f), Wanted.PASS),
    "film tilted by 5 to 10 degrees": Alteration(_tilted, Wanted.PASS),
    "film in a black frame, 10 % each side": Alteration(
        _still(partial(framed, share=0.1, grey=0.0)), Wanted.PASS
    ),
    "film in a white frame, 10 % each side": Alteration(
        _still(partial(framed, share=0.1, grey=1.0)), Wanted.PASS
    ),
    "film collimated by 10 % of height and width": Alteration(
        partial(collimated, share=0.05), Wanted.PASS
    ),
    "JPEG of quality 20": Alteration(_still(partial(jpeg, quality=20)), Wanted.PASS),
    "film sampled down to 128 px": Alteration(_still(partial(coarsened, edge=128)), Wanted.PASS),
    "film of 64 grey levels": Alteration(_still(partial(low_contrast, levels=64)), Wanted.PASS),
    "film with its darkest quarter black": Alteration(
        _still(partial(overexposed, share=0.25)), Wanted.PASS
    ),
    "film in a black frame, 25 % each side": Alteration(
        _still(partial(framed, share=0.25, grey=0.0)), Wanted.EITHER
    ),
    "film in a white frame, 25 % each side": Alteration(
        _still(partial(framed, share=0.25, grey=1.0)), Wanted.EITHER
    ),
    "film collimated by 40 % of height and width": Alteration(
        partial(collimated, share=0.2), Wanted.EITHER
    ),
    "JPEG of quality 5": Alteration(_still(partial(jpeg, quality=5)), Wanted.EITHER),
    "film sampled down to 64 px": Alteration(_still(partial(coarsened, edge=64)), Wanted.EITHER),
    "film sampled down to 32 px": Alteration(_still(partial(coarsened, edge=32)), Wanted.REFUSE),
    "film of 12 grey levels": Alteration(_still(partial(low_contrast, levels=12)), Wanted.EITHER),
    "film with its darkest half black": Alteration(
        _still(partial(overexposed, share=0.5)), Wanted.EITHER
    ),
    "film under heavy noise": Alteration(partial(grainy, strength=0.3), Wanted.EITHER),
    "film of a whole infant, made": Alteration(long_body, Wanted.EITHER),
    "film turned by 90 degrees": Alteration(
        _still(partial(negatives.turned, quarter_turns=1)), Wanted.REFUSE
    ),
    "film turned by 180 degrees": Alteration(
        _still(partial(negatives.turned, quarter_turns=2)), Wanted.REFUSE
    ),
    "film turned by 270 degrees": Alteration(
        _still(partial(negatives.turned, quarter_turns=3)), Wanted.REFUSE
    ),
    "film turned and inverted": Alteration(
        lambda f, r: 1.0 - negatives.turned(f, int(r.integers(1, 4))), Wanted.REFUSE
    ),
    "quarter of a film": Alteration(_quarter, Wanted.REFUSE),
    "left half of a film": Alteration(_part(0, 1, 0, 0.5), Wanted.REFUSE),
    "right half of a film": Alteration(_part(0, 1, 0.5, 1), Wanted.REFUSE),
    "one lung only": Alteration(_part(0.1, 0.85, 0.05, 0.45), Wanted.REFUSE),
    "upper half of a film": Alteration(_part(0, 0.5, 0, 1), Wanted.REFUSE),
    "lower half of a film": Alteration(_part(0.5, 1, 0, 1), Wanted.REFUSE),
    "neck and shoulders, upper 30 %": Alteration(_part(0, 0.3, 0, 1), Wanted.REFUSE),
    "belly, lower 30 %": Alteration(_part(0.7, 1, 0, 1), Wanted.REFUSE),
    "mediastinum only, middle 40 %": Alteration(_part(0, 1, 0.3, 0.7), Wanted.REFUSE),
    "small piece of a film": Alteration(negatives.heavy_crop, Wanted.REFUSE),
    "two films side by side": Alteration(_still(partial(paired, axis=1)), Wanted.REFUSE),
    "two films one above the other": Alteration(_still(partial(paired, axis=0)), Wanted.REFUSE),
    "film cut into four and shuffled": Alteration(partial(jigsaw, pieces=2), Wanted.REFUSE),
    "film cut into nine and shuffled": Alteration(partial(jigsaw, pieces=3), Wanted.REFUSE),
}
