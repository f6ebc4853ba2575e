"""Seeds depend on run, stage and index alone; errors carry their exit codes and causes."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moesaic import errors
from moesaic.bank import CAUSES
from moesaic.seeds import derive_seed, generator

PLACES = st.tuples(st.integers(0, 2**62), st.text(max_size=8), st.integers(0, 10**6))


@given(PLACES)
def test_a_seed_is_63_bits_and_always_the_same(place):
    assert 0 <= derive_seed(*place) < 2**63
    assert derive_seed(*place) == derive_seed(*place)
    draws = [generator(*place).integers(0, 2**32, 4).tolist() for _ in range(2)]
    assert draws[0] == draws[1]


@given(PLACES, PLACES)
def test_other_places_have_other_seeds(one, other):
    assert (one == other) == (derive_seed(*one) == derive_seed(*other))


def test_seeds_of_neighbours_are_unrelated():
    bits = np.array(
        [
            [(derive_seed(run, stage, index) >> bit) & 1 for bit in range(63)]
            for run in range(8)
            for stage in ("sample", "trial")
            for index in range(32)
        ]
    )
    assert len({tuple(row) for row in bits.tolist()}) == len(bits)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.15
    assert np.abs(np.diff(bits, axis=0)).mean() == pytest.approx(0.5, abs=0.03)


def test_no_draw_moves_another():
    first = generator(0, "trial", 3).random(5)
    generator(0, "trial", 2).random(1000)
    np.random.default_rng(0).random(10)
    assert generator(0, "trial", 3).random(5).tolist() == first.tolist()


def test_seeds_are_the_same_in_every_process():
    code = "from moesaic.seeds import derive_seed; print(derive_seed(5, 'split', 1))"
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": salt},
        ).stdout
        for salt in ("1", "2")
    }
    assert answers == {f"{derive_seed(5, 'split', 1)}\n"}


def all_errors(kind=errors.MoesaicError):
    return {kind}.union(*(all_errors(child) for child in kind.__subclasses__()))


def test_exit_codes():
    assert errors.InputError.exit_code == 2
    assert errors.Interrupted.exit_code == 130
    assert errors.RunFailed.exit_code == errors.TrialError.exit_code == 1
    assert {kind.exit_code for kind in all_errors()} == {1, 2, 130}
    assert all(issubclass(kind, Exception) for kind in all_errors())


def test_every_cause_of_a_failed_trial_can_be_stored():
    causes = {kind.cause for kind in all_errors(errors.TrialError)}
    assert causes <= set(CAUSES)
    assert errors.Diverged.cause == "diverged"
    assert errors.TimeLimit.cause == "time_limit"
    assert errors.BuildError.cause == "build_error"


def test_an_unknown_name_is_answered_with_near_ones_or_with_all():
    near = errors.unknown_name("space", "nasbench", ["sanas", "nasbench201", "cells"])
    assert isinstance(near, errors.InputError)
    assert str(near).startswith("unknown space 'nasbench': did you mean nasbench201")
    far = errors.unknown_name("space", "xyz", ["sanas", "cells"])
    assert str(far) == "unknown space 'xyz': choose one of cells, sanas"


@given(st.text(max_size=20))
def test_an_unknown_name_is_one_line_whatever_it_is(name):
    assert len(str(errors.unknown_name("space", name, ["cells"])).splitlines()) == 1
