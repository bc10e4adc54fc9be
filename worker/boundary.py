"""What an outer boundary may say of an error that nobody foresaw."""

from dicom_node.foreign import where

__all__ = ["where"]
