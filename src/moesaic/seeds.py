"""Randomness: every draw derives from (run seed, stage, index) and from nothing else."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(run_seed: int, stage: str, index: int = 0) -> int:
    """Return a 63-bit seed that depends on all three arguments and on nothing else.

    Args:
        run_seed: the seed the person gave the run.
        stage: the name of the stage that draws ("split", "sample", "trial", ...).
        index: which draw of that stage.
    """
    text = f"{run_seed}/{stage}/{index}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def generator(run_seed: int, stage: str, index: int = 0) -> np.random.Generator:
    """Return a NumPy generator seeded by `derive_seed`."""
    return np.random.default_rng(derive_seed(run_seed, stage, index))
