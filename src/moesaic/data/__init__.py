"""Data: sources read into memory, splits, batched augmentation."""

from moesaic.data._augment import augment, batches
from moesaic.data._dataset import Dataset, Split
from moesaic.data._decode import read_image
from moesaic.data._describe import describe_dataset
from moesaic.data._groups import near_duplicates
from moesaic.data._load import load_dataset
from moesaic.data._normalise import Normaliser
from moesaic.data._registry import register_source, source_names
from moesaic.data._source import DataSource, RawData
from moesaic.data._store import open_dataset, save_dataset

__all__ = [
    "DataSource",
    "Dataset",
    "Normaliser",
    "RawData",
    "Split",
    "augment",
    "batches",
    "describe_dataset",
    "load_dataset",
    "near_duplicates",
    "open_dataset",
    "read_image",
    "register_source",
    "save_dataset",
    "source_names",
]
