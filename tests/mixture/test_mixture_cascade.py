"""Cascade: who answers a sample, what does not run, saved, read back and exported."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from moesaic.data import Normaliser
from moesaic.errors import InputError
from moesaic.mixture import (
    EXPORTED,
    Cascade,
    Mixture,
    build_network,
    load_model,
    save_cascade,
    save_model,
)
from moesaic.selection import NEVER, stage_of
from moesaic.spaces import get_space

SHAPE = (3, 8, 8)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


class Table(nn.Module):
    """Answers from a table by the number that a sample is, and counts who asked."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.as_tensor(logits, dtype=torch.float32)
        self.asked = []

    def forward(self, inputs):
        rows = inputs[:, 0].long()
        self.asked += rows.tolist()
        return self.logits[rows]


def by_hand(tables, thresholds, region):
    """Stop at the first sure stage, one sample at a time."""
    found = []
    for sample, place in enumerate(region):
        for stage, table in enumerate(tables):
            last = stage == len(tables) - 1
            if last or table.softmax(1)[sample].max() >= thresholds[place][stage]:
                found.append((stage, table[sample]))
                break
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(1, 12), st.booleans())
def test_every_sample_is_answered_by_the_first_stage_that_is_sure(seed, stages, count, gated):
    source = torch.Generator().manual_seed(seed)
    tables = [3 * torch.randn(count, 3, generator=source) for _ in range(stages)]
    samples = torch.arange(count).float().unsqueeze(1)
    networks = [Table(table) for table in tables]
    regions = 2 if gated else 1
    thresholds = torch.rand(regions, stages - 1, generator=source) * 1.2
    region = torch.randint(0, regions, (count,), generator=source)
    if gated:
        gate = Table(torch.nn.functional.one_hot(region, 2) * 10.0)
        networks[0] = Mixture([Table(tables[0]), Table(tables[0])], gate, 3)
    cascade = Cascade(networks, thresholds).eval()
    expected = by_hand(tables, thresholds, region)
    torch.testing.assert_close(cascade(samples), torch.stack([row for _, row in expected]))
    stopped = [stage for stage, _ in expected]
    assert cascade.route(samples).argmax(dim=1).tolist() == stopped
    # the arithmetic that chooses thresholds says the same
    sure = torch.stack([table.softmax(1).amax(1) for table in tables])
    assert stage_of(sure, thresholds, region).tolist() == stopped


def test_a_stage_does_not_run_on_samples_that_stopped_before():
    first, second = Table([[9.0, 0.0], [0.1, 0.0], [0.0, 9.0]]), Table([[0.0, 1.0]] * 3)
    cascade = Cascade([first, second], torch.tensor([[0.9]]))
    samples = torch.arange(3).float().unsqueeze(1)
    assert cascade(samples).argmax(dim=1).tolist() == [0, 1, 1]
    assert (first.asked, second.asked) == ([0, 1, 2], [1])
    second.asked.clear()
    cascade(samples[:1])
    assert second.asked == []


def test_an_answer_that_is_no_number_is_not_sure():
    cascade = Cascade([Table([[float("nan"), 0.0]]), Table([[0.0, 1.0]])], torch.tensor([[0.0]]))
    assert cascade(torch.zeros(1, 1)).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(
    ("count", "shape"), [(1, (1, 0)), (2, (2, 1)), (2, (1, 2)), (0, (1, 1)), (3, (1, 1))]
)
def test_stages_and_thresholds_that_do_not_fit_are_refused(count, shape):
    with pytest.raises(InputError, match="expected two stages or more"):
        Cascade([Table([[1.0]])] * count, torch.zeros(shape))


def images(count):
    source = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, *SHAPE), generator=source).to(torch.uint8)


def saved_stages(folder):
    """A mixture of two, a single network and a mixture of two again, saved and read back."""
    space, rng = get_space("nasbench201", widths=(4, 8)), np.random.default_rng(1)
    normaliser = Normaliser(torch.full((3, 1, 1), 128.0), torch.full((3, 1, 1), 70.0))
    stages = []
    for place, count in enumerate((2, 1, 2)):
        experts = [space.sample(rng) for _ in range(count)]
        torch.manual_seed(place)
        network = build_network(experts, SHAPE, 4)
        network.train()
        with torch.no_grad():
            network(torch.randn(32, *SHAPE))
        options = {"experts": experts, "input_shape": SHAPE, "classes": list("abcd")}
        stages.append(save_model(folder / str(place), network, normaliser, **options))
    return stages


@pytest.fixture(scope="module")
def cascade(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cascade")
    stages = saved_stages(folder)
    samples = images(64)
    with torch.no_grad():
        sure = [one(samples).softmax(1).amax(1) for one in stages[:-1]]
    # about half of the samples go on at every stage
    thresholds = [[float(one.median()) for one in sure]] * 2
    return save_cascade(folder / "all", stages, thresholds, {"runs": ["a", "b", "c"]}), folder


def test_a_cascade_read_back_is_bit_equal(cascade):
    model, folder = cascade
    again = load_model(folder / "all")
    samples = images(64)
    with torch.no_grad():
        assert torch.equal(model(samples), again(samples))
        reached = again.route(samples).sum(dim=0)
    assert len(reached) == 3
    assert reached.min() > 0
    assert again.classes == ("a", "b", "c", "d")
    assert again.info["runs"] == ["a", "b", "c"]


def test_its_answers_are_those_of_the_models_it_is_made_of(cascade):
    model, folder = cascade
    samples = images(64)
    with torch.no_grad():
        answers = torch.stack([load_model(folder / str(place))(samples) for place in range(3)])
        stage = model.route(samples).argmax(dim=1)
        torch.testing.assert_close(model(samples), answers[stage, torch.arange(64)])


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_the_exported_program_agrees(cascade, count):
    model, folder = cascade
    program = torch.export.load(folder / "all" / EXPORTED).module()
    with torch.no_grad():
        torch.testing.assert_close(program(images(count)), model(images(count)))


def test_nothing_stops_where_it_never_may(cascade):
    _, folder = cascade
    stages = [load_model(folder / str(place)) for place in range(3)]
    networks = [one.network for one in stages]
    samples = stages[0].normaliser(images(16))
    with torch.no_grad():
        dear = Cascade(networks, torch.full((2, 2), NEVER)).eval()
        cheap = Cascade(networks, torch.zeros(2, 2)).eval()
        torch.testing.assert_close(dear(samples), networks[2](samples))
        torch.testing.assert_close(cheap(samples), networks[0](samples))


def test_a_damaged_description_is_one_line(cascade, tmp_path):
    _, folder = cascade
    for name in ("model.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / "all" / name).read_bytes())
    info = json.loads((tmp_path / "model.json").read_text())
    for change in ({"thresholds": [[0.5]]}, {"stages": []}, {"thresholds": "x"}, {"format": 3}):
        (tmp_path / "model.json").write_text(json.dumps({**info, **change}))
        with pytest.raises(InputError, match="is damaged") as told:
            load_model(tmp_path)
        assert "\n" not in str(told.value)
        assert "made again by moesaic cascade" in str(told.value)


def test_stages_grow_in_turn(cascade):
    model, _ = cascade
    samples = images(64)
    with torch.no_grad():
        stage = model.route(samples).argmax(dim=1)
    counts = [int((stage >= place).sum()) for place in range(3)]
    assert all(first > second for first, second in pairwise(counts))
