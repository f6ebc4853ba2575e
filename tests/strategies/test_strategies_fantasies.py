"""What is under way is believed, what failed is not, and time may be counted."""

from dataclasses import replace

import numpy as np
import pytest

from moesaic.seeds import generator
from moesaic.spaces import ListedSpace
from moesaic.strategies import get_strategy
from moesaic.surrogate import expected_gain
from moesaic.testing import ToySpace
from moesaic.testing._strategies import observe

WEIGHT = np.array([4.0, 3.0, 2.0, 1.0])


def started(name="decomposed", space=None, seconds=None, **options):
    """Return a strategy that was told 40 observations."""
    space = space or ToySpace()
    options = {"surrogate": "ridge", **options}
    strategy = get_strategy(name, space, 2, WEIGHT, 0, **options)
    told = [observe(space, one, place) for place, one in enumerate(strategy.ask(40))]
    if seconds is not None:
        told = [replace(one, seconds=seconds(one.trial.architecture)) for one in told]
    strategy.tell(told)
    return strategy


def keys(proposals):
    return [one.architecture.key for one in proposals]


@pytest.mark.parametrize("name", ["decomposed", "joint"])
def test_asking_in_portions_is_like_one_batch_over_a_whole_space(name):
    """What is under way counts as the earlier part of the batch counts."""
    whole, parts = started(name, pool=5000), started(name, pool=5000)
    first = parts.ask(3)
    then = parts.ask(3)
    together = whole.ask(6)
    assert keys(first) == keys(together[:3])
    assert not set(keys(first)) & set(keys(then))
    if name == "decomposed":  # `joint` draws new normal numbers when it is asked again
        assert len(set(keys(then)) & set(keys(together[3:]))) >= 2


def test_what_was_given_up_is_believed_no_more():
    waiting, failed = started(pool=5000), started(pool=5000)
    asked = waiting.ask(8)
    assert failed.ask(8) == asked
    failed.give_up([one.architecture for one in asked])
    hopeful, sober = failed.ask(1)[0], waiting.ask(1)[0]

    def gain(proposal):
        return float(proposal.reason.split()[2])

    assert gain(hopeful) > gain(sober)


def test_told_late_is_as_told_in_time():
    """Fantasies leave nothing behind once the truth is known."""
    space = ToySpace()
    one, other = started(), started()
    first = [observe(space, proposal, 50 + place) for place, proposal in enumerate(one.ask(4))]
    other.ask(4)
    one.tell(first)
    other.tell(first[2:])
    other.tell(first[:2])
    assert one.ask(4) == other.ask(4)


def test_a_space_that_is_no_larger_than_the_pool_is_scored_whole():
    """The word of the highest expected gain in all of the space is proposed first."""
    space = ToySpace()
    strategy = get_strategy("decomposed", space, 2, WEIGHT, 0, surrogate="ridge", pool=space.size)
    told = [observe(space, one, place) for place, one in enumerate(strategy.ask(40))]
    strategy.tell(told)
    (proposal,) = strategy.ask(1)
    known = {one.trial.architecture.key for one in told}
    words = [word for word in space.members() if word.key not in known]
    incumbent = np.min([one.loss for one in told], axis=0)
    gain = expected_gain(*strategy.surrogate.predict(words), incumbent, WEIGHT)
    assert proposal.architecture.key == words[int(gain.argmax())].key


def test_a_small_list_is_used_up():
    space = ToySpace()
    rng = generator(0, "words")
    words = list({one.key: one for one in (space.sample(rng) for _ in range(60))}.values())
    listed = ListedSpace(space, words)
    strategy = get_strategy("joint", listed, 2, WEIGHT, 0, surrogate="ridge")
    found = []
    while asked := strategy.ask(9):
        found += keys(asked)
        strategy.tell([observe(space, one, len(found) + i) for i, one in enumerate(asked)])
    assert sorted(found) == sorted(one.key for one in words)


def test_cheap_candidates_are_preferred_when_time_is_counted():
    space = ToySpace()

    def seconds(architecture):
        return float(10.0 ** space.word(architecture)[0])

    plain = started(space=space, seconds=seconds)
    timed = started(space=space, seconds=seconds, per_second=True)
    costs = [
        np.mean([np.log(seconds(one.architecture)) for one in strategy.ask(10)])
        for strategy in (plain, timed)
    ]
    assert costs[1] < costs[0] - 0.5


def test_without_seconds_time_does_not_count():
    assert started(seconds=lambda _: 0.0, per_second=True).ask(5) == started().ask(5)
