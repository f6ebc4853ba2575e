"""The experts of a run's bank with their stored predictions, ready to be scored; trains nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Bank, Observation
from moesaic.config import CampaignConfig, SearchConfig
from moesaic.data import open_dataset
from moesaic.errors import InputError, unknown_name
from moesaic.runs._context import load_partition
from moesaic.runs._folder import RunFolder
from moesaic.runs._structure import EMBEDDING, cluster_weight
from moesaic.selection import Members
from moesaic.spaces import Architecture, get_space

ALONE = "singles"
_RUNG, _SPECIALISED = "rung-", "specialise-"


@dataclass(frozen=True)
class Member:
    """An expert of a bank.

    Attributes:
        name: its family, or its cell in words; with its trial behind it where that is not enough.
        group: the family or cell alone.
        trial: key of its trial.
        macs: multiply-accumulates of one sample.
        parameters: number of them.
        loss: (N,) on every validation sample, nats.
        right: (N,) whether it was right there.
    """

    name: str
    group: str
    trial: str
    macs: int
    parameters: int
    loss: NDArray[np.float32]
    right: NDArray[np.bool_]


def read_members(
    folder: RunFolder, config: SearchConfig | CampaignConfig, bank: Bank
) -> list[Member]:
    """Return the experts that a mixture of this run may be made of.

    A campaign's are the families that it trained alone; a search's, the architectures of the
    highest rung and the specialists continued from them. Those without predictions are left out.
    """
    labels = open_dataset(folder.data).validation.labels.numpy()
    found = _of_campaign(bank) if isinstance(config, CampaignConfig) else _of_search(bank)
    members = [_member(bank, observation, labels) for observation in found]
    return named([member for member in members if member is not None])


def as_table(folder: RunFolder, members: Sequence[Member]) -> Members:
    """Return the members as the arrays that `score_subsets` reads; rows in their order."""
    partition = load_partition(str(folder.path))
    embedding = folder.structure / EMBEDDING
    return Members(
        loss=np.stack([member.loss for member in members]),
        right=np.stack([member.right for member in members]),
        cluster=partition.validation,
        share=cluster_weight(partition),
        embedding=np.load(embedding, allow_pickle=False) if embedding.is_file() else None,
        macs=[member.macs for member in members],
        parameters=[member.parameters for member in members],
    )


def place_of(members: Sequence[Member], wanted: str) -> int:
    """Return the row of the one member of that name, family or trial.

    Raises:
        InputError: nobody is called that, or several are.
    """
    rows = places_of(members, wanted)
    if len(rows) > 1:
        names = ", ".join(members[row].name for row in rows[:4])
        raise InputError(f"'{wanted}' is said of {len(rows)} experts: name one of {names}")
    return rows[0]


def places_of(members: Sequence[Member], wanted: str) -> list[int]:
    """Return the rows of all members of that name, family or trial.

    Raises:
        InputError: nobody is called that.
    """
    rows = [row for row, one in enumerate(members) if wanted in (one.name, one.group, one.trial)]
    if not rows:
        raise unknown_name("expert", wanted, [member.name for member in members])
    return rows


def _of_campaign(bank: Bank) -> list[Observation]:
    # one that ran out of memory was tried again with a smaller batch, in a stage of its own
    every = bank.observations(kind="expert")
    return [o for o in every if o.trial.stage.split("-retry-")[0] == ALONE]


def _of_search(bank: Bank) -> list[Observation]:
    every = bank.observations(kind="expert")
    rungs = [o.trial.stage for o in every if o.trial.stage.startswith(_RUNG)]
    highest = max(rungs, key=lambda stage: int(stage.removeprefix(_RUNG)), default="")
    # a control continued on all clusters says what specialisation is worth and is no candidate
    return [
        o
        for o in every
        if o.trial.stage == highest
        or (o.trial.stage.startswith(_SPECIALISED) and o.trial.subset is not None)
    ]


def _member(bank: Bank, observation: Observation, labels: NDArray[np.int64]) -> Member | None:
    architecture, key = observation.trial.architecture, observation.trial.key
    try:
        told = bank.predictions(key)
    except InputError:  # it kept none
        return None
    if architecture is None or len(told) != len(labels):
        return None
    loss = -told[np.arange(len(labels)), labels].astype(np.float32)
    group = _words(architecture)
    return Member(
        name=group,
        group=group,
        trial=key,
        macs=observation.macs,
        parameters=observation.parameters,
        loss=np.maximum(loss, 0.0),
        right=told.argmax(axis=1) == labels,
    )


def _words(architecture: Architecture) -> str:
    try:
        return get_space(architecture.space).describe(architecture)
    except InputError:  # a space or family that is not installed here
        return f"{architecture.family} {architecture.key}"


def named(members: Sequence[Member]) -> list[Member]:
    """Put the trial behind the names that several members would share."""
    count = Counter(member.group for member in members)
    return [
        one if count[one.group] == 1 else replace(one, name=f"{one.group} @{one.trial}")
        for one in members
    ]
