"""Zero-cost proxies against what can be computed by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from moesaic.errors import InputError
from moesaic.spaces import get_space
from moesaic.training import PROXIES, measure_proxies
from moesaic.training._proxies import gradient_norm, jacobian_covariance, naswot, synflow, zen


def network(seed=0):
    torch.manual_seed(seed)
    layers = [nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)]
    return nn.Sequential(*layers)


def batch(count=4, seed=1):
    drawn = torch.Generator().manual_seed(seed)
    return torch.randn(count, 6, generator=drawn), torch.arange(count) % 3


def test_synflow_of_a_chain_is_the_sum_over_its_paths_times_its_layers():
    model = network()
    weights = [one.weight.detach().double().abs() for one in model if isinstance(one, nn.Linear)]
    paths = (
        torch.ones(1, 3).double() @ weights[2] @ weights[1] @ weights[0] @ torch.ones(6, 1).double()
    )
    assert synflow(model, (6,)) == pytest.approx(np.log(3 * float(paths)))


def test_synflow_leaves_normalisation_out():
    torch.manual_seed(0)
    first, last = nn.Linear(6, 5), nn.Linear(5, 2)
    plain, normed = nn.Sequential(first, last), nn.Sequential(first, nn.BatchNorm1d(5), last)
    assert synflow(normed, (6,)) == pytest.approx(synflow(plain, (6,)))


def test_naswot_is_the_log_determinant_of_the_agreements():
    model, (images, _) = network(), batch()
    with torch.no_grad():
        first = model[0](images)
        second = model[2](first.relu())
    codes = torch.cat([first > 0, second > 0], dim=1)
    agree = np.array([[float((a == b).sum()) for b in codes] for a in codes])
    assert naswot(model, images) == pytest.approx(np.log(abs(np.linalg.det(agree))))


def test_naswot_is_undefined_where_samples_agree_or_nothing_can():
    model, (images, _) = network(), batch()
    assert np.isnan(naswot(model, images[[0, 0]]))
    assert np.isnan(naswot(nn.Linear(6, 2), images))


def test_the_gradient_norm_is_that_of_a_linear_model_by_hand():
    model, (images, labels) = nn.Linear(6, 3), batch()
    with torch.no_grad():
        wrong = model(images).softmax(dim=1) - nn.functional.one_hot(labels, 3)
        weight, bias = wrong.T @ images / len(images), wrong.mean(dim=0)
    wanted = float((weight.square().sum() + bias.square().sum()).sqrt())
    assert gradient_norm(model, images, labels) == pytest.approx(wanted, rel=1e-5)


def test_the_jacobian_of_a_linear_model_is_the_same_for_all_samples():
    images, _ = batch()
    values = np.array([0.0, 0.0, 0.0, 4.0]) + 1e-5
    wanted = -np.sum(np.log(values) + 1 / values)
    assert jacobian_covariance(nn.Linear(6, 3), images) == pytest.approx(wanted, rel=1e-3)
    assert jacobian_covariance(network(), images) > wanted


def test_zen_of_a_linear_map_is_the_expected_stretch():
    torch.manual_seed(0)
    model, (images, _) = nn.Linear(6, 4, bias=False), batch(256)
    drawn = torch.Generator().manual_seed(3)
    noise = torch.randn(images.shape, generator=drawn)
    wanted = float((noise @ model.weight.detach().T).norm(dim=1).mean())
    assert zen(model, images, 3) == pytest.approx(np.log(wanted), abs=1e-3)
    doubled = nn.Linear(6, 4, bias=False)
    doubled.weight.data = 2 * model.weight.data
    assert zen(doubled, images, 3) == pytest.approx(zen(model, images, 3) + np.log(2), abs=1e-3)


def test_the_network_is_left_as_it_was():
    model, (images, labels) = network().eval(), batch()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for proxy in PROXIES.values():
        proxy(model, images, labels, 0)
    assert not model.training
    assert model[1].inplace
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_space_is_measured_cluster_by_cluster():
    space, rng = get_space("nasbench201", widths=(4, 6)), np.random.default_rng(0)
    cells = [space.sample(rng) for _ in range(3)]
    drawn = torch.Generator().manual_seed(0)
    batches = [
        (scale * torch.randn(6, 3, 8, 8, generator=drawn), torch.arange(6) % 2)
        for scale in (1.0, 3.0)
    ]
    names = list(PROXIES)
    state = torch.get_rng_state()
    found = measure_proxies(space, cells, batches, 2, names, 5)
    assert torch.equal(torch.get_rng_state(), state)
    assert found.shape == (3, 2, 7)
    assert np.isfinite(found).mean() > 0.8
    alone = measure_proxies(space, cells[1:2], batches, 2, names, 5)
    assert np.array_equal(alone[0], found[1], equal_nan=True)
    for name in ("synflow", "parameters", "macs"):
        column = names.index(name)
        assert np.array_equal(found[:, 0, column], found[:, 1, column], equal_nan=True)
    assert not np.allclose(found[:, 0, 0], found[:, 1, 0])


def test_an_unknown_proxy_is_answered_with_the_near_ones():
    with pytest.raises(InputError, match="did you mean synflow"):
        measure_proxies(get_space("nasbench201"), [], [], 2, ["sinflow"])


def test_one_sample_is_enough_for_every_proxy():
    """A cluster may have no more: a batch norm needs two."""
    space = get_space("vector_cells")
    one = space.sample(np.random.default_rng(0))
    batches = [(torch.randn(8, 6), torch.arange(8) % 3), (torch.randn(1, 6), torch.tensor([1]))]
    found = measure_proxies(space, [one], batches, 3, tuple(PROXIES), 0)
    assert found.shape == (1, 2, len(PROXIES))
    assert np.isfinite(found).any(axis=2).all()


def test_a_proxy_that_a_network_does_not_suit_is_not_a_number(monkeypatch):
    def odd(*_):
        raise IndexError("no map")

    monkeypatch.setitem(PROXIES, "naswot", odd)
    space = get_space("vector_cells")
    one = space.sample(np.random.default_rng(0))
    batches = [(torch.randn(8, 6), torch.arange(8) % 3)]
    assert np.isnan(measure_proxies(space, [one], batches, 3, ("naswot",), 0)).all()
