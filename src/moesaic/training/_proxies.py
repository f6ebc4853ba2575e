"""What an untrained network shows of what it will learn (zero-cost proxies); nothing is trained.

Every proxy works on a copy, so that the network is left as it was, in training mode, where batch
normalisation uses the batch; `synflow` alone leaves it out. They are noisy features for a
surrogate, not predictions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moesaic.errors import BuildError, unknown_name
from moesaic.seeds import derive_seed
from moesaic.spaces import Architecture, SearchSpace
from moesaic.training._cost import count_macs, count_parameters

Batch = tuple[Tensor, Tensor]
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
JITTER = 1e-5


def gradient_norm(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the L2 norm of the gradient of the mean cross-entropy (Abdelfattah et al. 2021).

    Args:
        model: maps (B, ...) to logits (B, classes).
        images: (B, ...), as training would see them.
        labels: int64 (B,).
    """
    network = _copy(model)
    nn.functional.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
    squares = [p.grad.double().square().sum() for p in network.parameters() if p.grad is not None]
    return float(torch.stack(squares).sum().sqrt()) if squares else 0.0


def synflow(model: nn.Module, input_shape: tuple[int, ...]) -> float:
    """Return the logarithm of the synaptic flow, sum |w dR/dw| (Tanaka et al. 2020).

    R is the sum of the logits for an input of ones with every weight made positive, biases 0 and
    normalisation left out. In a chain of L linear layers the flow is L times the sum over all
    paths of the product of their absolute weights. No data are used.

    Args:
        model: maps (B, *input_shape) to logits.
        input_shape: shape of one sample.
    """
    network = _copy(model).eval().double()
    for name, parameter in network.named_parameters():
        parameter.data = torch.zeros_like(parameter) if "bias" in name else parameter.data.abs()
    with _hooked(network, NORMS, lambda module, given, made: given[0]):
        network(torch.ones((1, *input_shape), dtype=torch.float64)).sum().backward()
    flow = [(p * p.grad).sum() for p in network.parameters() if p.grad is not None]
    return _log(float(torch.stack(flow).sum().detach())) if flow else float("nan")


def naswot(model: nn.Module, images: Tensor) -> float:
    """Return log |det K|, K counting the ReLUs on which two samples agree (Mellor et al. 2021).

    NaN for a network without `nn.ReLU` modules, and where two samples agree on all.

    Args:
        model: maps (B, ...) to logits.
        images: (B, ...).
    """
    codes: list[Tensor] = []

    def keep(module: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        codes.append((given[0].detach().flatten(1) > 0).double())

    network = _copy(model)
    with torch.no_grad(), _hooked(network, (nn.ReLU, nn.ReLU6), keep):
        network(images)
    if not codes:
        return float("nan")
    on = torch.cat(codes, dim=1)
    agree = on @ on.T + (1 - on) @ (1 - on).T
    sign, value = torch.linalg.slogdet(agree)
    return float(value) if sign > 0 else float("nan")


def jacobian_covariance(model: nn.Module, images: Tensor) -> float:
    """Return how differently the samples' input gradients point (Mellor et al. 2020).

    It is -sum log(v + k) + 1 / (v + k) over the eigenvalues v of the gradients' correlation
    between samples, k = 1e-5.

    Args:
        model: maps (B, ...) to logits.
        images: (B, ...), B at least 2.
    """
    given = images.clone().requires_grad_()
    _copy(model)(given).sum().backward()
    slope = torch.zeros_like(given) if given.grad is None else given.grad
    rows = slope.double().flatten(1)
    centred = rows - rows.mean(dim=1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True)
    if float(length.min()) == 0.0:
        return float("nan")
    unit = centred / length
    values = torch.linalg.eigvalsh(unit @ unit.T).clamp(min=0.0) + JITTER
    return -float((values.log() + 1.0 / values).sum())


def zen(model: nn.Module, images: Tensor, seed: int = 0, strength: float = 0.01) -> float:
    """Return the Zen score: how far noise moves the last feature map (Lin et al. 2021).

    It is log E ||f(x) - f(x + a e)|| / a plus the log standard deviations that batch
    normalisation took out. f is the last output with as many dimensions as the input. As
    published, x is noise; here it is a cluster's own batch.

    Args:
        model: maps (B, ...) to logits.
        images: x (B, ...).
        seed: of the noise e.
        strength: a, against the spread of a standardised input.
    """
    network = _copy(model)
    last: list[Tensor] = []
    spread: list[float] = []

    def keep(module: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        if isinstance(made, Tensor) and made.dim() == images.dim() and made.shape[-1] > 1:
            last[:] = [made]
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            over = [axis for axis in range(given[0].dim()) if axis != 1]
            variance = given[0].double().var(dim=over, unbiased=False).mean()
            spread.append(0.5 * _log(float(variance)))

    leaves = tuple({type(one) for one in network.modules() if not list(one.children())})
    drawn = torch.Generator().manual_seed(seed % 2**63)
    noise = strength * torch.randn(images.shape, generator=drawn).to(images)
    with torch.no_grad(), _hooked(network, leaves, keep):
        network(images)
        before, taken = last[0], sum(spread)
        network(images + noise)
    moved = (last[0] - before).double().flatten(1).norm(dim=1).mean() / strength
    return _log(float(moved)) + taken


PROXIES: Mapping[str, Callable[[nn.Module, Tensor, Tensor, int], float]] = {
    "gradient_norm": lambda model, images, labels, seed: _log(gradient_norm(model, images, labels)),
    "synflow": lambda model, images, labels, seed: synflow(model, tuple(images.shape[1:])),
    "naswot": lambda model, images, labels, seed: naswot(model, images),
    "jacobian_covariance": lambda model, images, labels, seed: jacobian_covariance(model, images),
    "zen": lambda model, images, labels, seed: zen(model, images, seed),
    "parameters": lambda model, images, labels, seed: _log(count_parameters(model)),
    "macs": lambda model, images, labels, seed: _log(count_macs(model, tuple(images.shape[1:]))),
}
WITHOUT_DATA = frozenset({"synflow", "parameters", "macs"})


def check_proxies(names: Sequence[str]) -> None:
    """Refuse what is no proxy.

    Raises:
        InputError: a name that is not in `PROXIES`.
    """
    for name in names:
        if name not in PROXIES:
            raise unknown_name("proxy", name, PROXIES)


def measure_proxies(
    space: SearchSpace,
    architectures: Sequence[Architecture],
    batches: Sequence[Batch],
    classes: int,
    names: Sequence[str],
    seed: int = 0,
) -> NDArray[np.float64]:
    """Measure untrained networks on every cluster's own batch.

    The same architecture, seed and batches give the same numbers, whatever else is measured.

    Args:
        space: builds the networks.
        architectures: n of them.
        batches: M pairs of normalised inputs (B, ...) and labels int64 (B,), one a cluster.
        classes: of the logits.
        names: P of `PROXIES`.
        seed: of the initial weights and of the noise.

    Returns:
        (n, M, P). Norms, flows, parameters and MACs are natural logarithms. NaN where a proxy is
        not defined or the network cannot be built.

    Raises:
        InputError: an unknown proxy.
    """
    check_proxies(names)
    found = np.full((len(architectures), len(batches), len(names)), np.nan)
    for row, architecture in enumerate(architectures):
        drawn = derive_seed(seed, f"proxies/{architecture.key}")
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(drawn)
                model = space.build(architecture, tuple(batches[0][0].shape[1:]), classes)
        except BuildError:
            continue
        for column, name in enumerate(names):
            for cluster, (images, labels) in enumerate(batches):
                if cluster and name in WITHOUT_DATA:
                    found[row, cluster, column] = found[row, 0, column]
                    continue
                if len(labels) == 1:  # a batch norm needs two
                    images, labels = images.repeat_interleave(2, 0), labels.repeat(2)
                with torch.random.fork_rng(devices=[]):  # dropout draws too
                    torch.manual_seed(drawn)
                    try:
                        value = PROXIES[name](model, images, labels, drawn)
                    except (ValueError, RuntimeError, IndexError):  # not defined on this network
                        value = float("nan")
                found[row, cluster, column] = value if np.isfinite(value) else np.nan
    return found


def _copy(model: nn.Module) -> nn.Module:
    network = copy.deepcopy(model).train()
    network.zero_grad(set_to_none=True)
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.__dict__["inplace"] = False  # a hook would see what became of its input
    return network


def _log(value: float) -> float:
    return float(np.log(value)) if value > 0 else float("nan")


@contextmanager
def _hooked(
    model: nn.Module, kinds: tuple[type[nn.Module], ...], hook: Callable[..., Tensor | None]
) -> Iterator[None]:
    handles = [one.register_forward_hook(hook) for one in model.modules() if isinstance(one, kinds)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
