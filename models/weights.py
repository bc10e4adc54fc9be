"""Weights on disk: safetensors only, and only the ones that the card names."""

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from dicom_node.errors import WeightsMismatch
from models.card import Weights


def read(folder: Path, named: Weights) -> dict[str, Tensor]:
    """Return the tensors of a weights file; raise WeightsMismatch where it is another file.

    The bytes that were hashed are the bytes that are parsed.
    """
    file = folder / named.file
    try:
        raw = file.read_bytes()
    except OSError as exc:
        raise WeightsMismatch(f"weights {file} cannot be read: {exc}") from exc
    found = hashlib.sha256(raw).hexdigest()
    if found != named.sha256:
        raise WeightsMismatch(
            f"weights {file} hash to {found}, the card says {named.sha256}; restore the file "
            f"or train anew"
        )
    try:
        return load(raw)
    except SafetensorError as exc:
        raise WeightsMismatch(f"weights {file} are not safetensors: {exc}") from exc


def fill(network: nn.Module, tensors: dict[str, Tensor], file: str) -> None:
    """Load ``tensors`` into ``network``, each cast to the network's type; names must agree."""
    own = network.state_dict()
    try:
        network.load_state_dict({k: v.to(own[k].dtype) for k, v in tensors.items()}, strict=True)
    except (KeyError, RuntimeError) as exc:
        raise WeightsMismatch(f"weights {file} do not fit the architecture: {exc}") from exc


def write(file: Path, tensors: dict[str, Tensor]) -> str:
    """Write a weights file in one step; return its SHA-256."""
    raw = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    partial = file.with_suffix(".part")
    partial.write_bytes(raw)
    partial.replace(file)
    return hashlib.sha256(raw).hexdigest()
