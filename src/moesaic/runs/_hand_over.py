"""Handing over: a trained network out of the bank, and the model folder that is made of it."""

from __future__ import annotations

from typing import Any

from torch import nn

from moesaic.bank import Bank, Trial, read_checkpoint
from moesaic.config import CampaignConfig, SearchConfig
from moesaic.data import Dataset
from moesaic.errors import InputError
from moesaic.mixture import Deployed, Mixture, describe_model, save_model
from moesaic.runs._context import Context, load_context
from moesaic.runs._session import Session
from moesaic.runs._work import trained_experts
from moesaic.runs._work_mixture import build_trial_network


def trained_network(bank: Bank, trial: Trial, dataset: Dataset) -> nn.Module:
    """Return the network of a finished trial with the weights that it was trained to.

    Args:
        bank: that the trial is in.
        trial: of one expert or of a mixture.
        dataset: that it was trained on; its shape and number of classes are asked for.

    Raises:
        InputError: its weights were not kept.
        DamagedRun: their file is missing or damaged.
    """
    checkpoint = bank.checkpoint(trial.key)
    if checkpoint is None:
        raise InputError(f"the weights of trial {trial.key} were not kept: there is no model of it")
    network = build_trial_network(
        trained_experts(trial), trial.payload, dataset.input_shape, len(dataset.classes)
    )
    network.load_state_dict(read_checkpoint(checkpoint))
    return network


def trained_model(bank: Bank, trial: Trial, context: Context) -> Deployed:
    """Return the model of a finished trial, as `save_model` would write it, but write nothing.

    Args:
        bank: as `trained_network` takes it.
        trial: as `trained_network` takes it.
        context: of the run: the data and how samples are normalised.

    Raises:
        InputError: its weights were not kept.
        DamagedRun: their file is missing or damaged.
    """
    dataset = context.dataset
    network = trained_network(bank, trial, dataset)
    top_k = network.top_k if isinstance(network, Mixture) else 1
    info = describe_model(
        network, trained_experts(trial), dataset.input_shape, dataset.classes, top_k
    )
    return Deployed(context.normaliser, network, info)


def hand_over(
    session: Session[SearchConfig] | Session[CampaignConfig],
    trial: Trial,
    dataset: Dataset,
    told: dict[str, Any],
) -> None:
    """Write the network of a finished trial to the run's model folder.

    Args:
        session: of the run.
        trial: as `trained_network` takes it.
        dataset: as `trained_network` takes it.
        told: what the description of the model says of it beside; gets `not_exported`, the reason,
            where torch cannot export it.

    Raises:
        InputError: its weights were not kept.
        DamagedRun: their file is missing or damaged.
    """
    network = trained_network(session.bank, trial, dataset)
    saved = save_model(
        session.folder.model,
        network,
        load_context(str(session.folder.path)).normaliser,
        experts=trained_experts(trial),
        input_shape=dataset.input_shape,
        classes=dataset.classes,
        top_k=network.top_k if isinstance(network, Mixture) else 1,
        extra=told,
    )
    if "not_exported" in saved.info:
        told["not_exported"] = saved.info["not_exported"]
        session.watcher.say(
            f"torch cannot export this model ({told['not_exported']}): there is no model.pt2, "
            "moesaic.load_model takes it"
        )
