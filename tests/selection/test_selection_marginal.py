"""How many experts: one more as long as it pays, and what ends the climb."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moesaic.errors import InputError
from moesaic.selection import Interval, climb


class Told:
    """Answers from the mean loss of every K, 1 first; each gain is known to `reach` either way."""

    def __init__(self, *losses, reach=0.01):
        self.losses, self.reach, self.asked = losses, reach, []

    def __call__(self, few, more):
        self.asked.append((few, more))
        if self.losses[more - 1] is None:
            return None
        gain = self.losses[few - 1] - self.losses[more - 1]
        return Interval(gain, gain - self.reach, gain + self.reach), self.losses[few - 1]


def test_one_more_is_taken_as_long_as_it_pays():
    told = Told(1.0, 0.8, 0.7, 0.695, 0.3)
    experts, steps = climb(told, 5, least_share=0.02)
    assert experts == 3
    assert told.asked == [(1, 2), (2, 3), (3, 4)]
    assert [step.pays for step in steps] == [True, True, False]
    assert steps[1].gain.mean == pytest.approx(0.1)
    assert steps[1].loss == 0.8
    assert steps[2].to_dict()["from"] == 3


def test_three_are_looked_at_where_a_second_does_not_pay():
    told = Told(1.0, 1.0, 0.8, 0.79)
    experts, steps = climb(told, 8, least_share=0.02)
    assert experts == 3
    assert told.asked == [(1, 2), (1, 3), (3, 4)]
    assert [step.pays for step in steps] == [False, True, False]
    told = Told(1.0, 1.0, 1.0)
    assert climb(told, 8, least_share=0.02)[0] == 1
    assert told.asked == [(1, 2), (1, 3)]


def test_a_gain_must_be_proven_and_large_enough():
    assert climb(Told(1.0, 0.9, 0.9, reach=0.2), 3, least_share=0.0)[0] == 1
    assert climb(Told(1.0, 0.95, 0.95), 3, least_share=0.1)[0] == 1
    assert climb(Told(1.0, 0.95, 0.95), 3, least_share=0.01)[0] == 2


def test_it_stops_where_it_is_told_to():
    experts, steps = climb(Told(1.0, 0.8, None, 0.1), 4, least_share=0.02)
    assert (experts, len(steps)) == (2, 1)
    assert climb(Told(1.0, None), 4, least_share=0.02) == (1, [])
    assert climb(Told(1.0, 0.5, 0.1), 2, least_share=0.02)[0] == 2
    assert climb(Told(1.0), 1, least_share=0.02) == (1, [])


@given(st.lists(st.floats(0.1, 2.0), min_size=3, max_size=8), st.floats(0, 0.5))
def test_every_step_that_was_taken_paid_and_the_last_did_not(losses, share):
    experts, steps = climb(Told(*losses), len(losses), least_share=share)
    taken = [step for step in steps if step.pays]
    assert experts == (taken[-1].more if taken else 1)
    assert losses[experts - 1] <= losses[0]
    at = 1
    for step in steps:
        assert step.few == at
        at = step.more if step.pays else at
    for step in taken:
        assert step.gain.low > 0
        assert step.gain.mean >= share * step.loss


@pytest.mark.parametrize(("most", "share"), [(0, 0.1), (3, -0.1), (3, 1.0)])
def test_bad_input_is_one_line(most, share):
    with pytest.raises(InputError, match="least_share"):
        climb(Told(1.0, 1.0, 1.0), most, least_share=share)
