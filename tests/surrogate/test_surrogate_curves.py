"""Extrapolated learning curves: what is read, what is learned, what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moesaic.errors import InputError
from moesaic.surrogate import Curve, CurveExtrapolator, _curves
from moesaic.surrogate._curve_features import curve_features, expit, logit
from moesaic.surrogate._curves import weighted_quantile


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch):
    monkeypatch.setattr(_curves, "TREES", 8)


def made(families=10, each=8, seed=0, final=30):
    """Curves whose end depends on a setting that their beginning does not show."""
    rng = np.random.default_rng(seed)
    curves = []
    for family in range(families):
        level = rng.uniform(0.3, 0.5)
        for _ in range(each):
            slow = float(rng.uniform())
            start = level + rng.uniform(0.0, 0.1)
            scores = {
                epoch: float(start + 0.3 * slow * (epoch > 5) + 0.002 * epoch)
                for epoch in range(1, final + 1)
            }
            curves.append(Curve(f"f{family}", scores, {"slow": slow}))
    return curves


def test_it_learns_from_a_setting_what_the_early_score_does_not_say():
    model = CurveExtrapolator(5, 30).fit(made())
    asked = made(3, 10, seed=1)
    found = model.predict(asked)
    truth = np.asarray([curve.scores[30] for curve in asked])
    assert np.corrcoef(found.mean, truth)[0, 1] > 0.9
    assert model.quality.spearman > model.quality.early + 0.2
    assert model.quality.families == 10
    assert set(model.quality.compared) == {"ridge", "trees", "kernel", "blend"}
    assert np.mean((found.low <= truth) & (truth <= found.high)) > 0.7


def test_nothing_late_is_read_when_a_forecast_is_made():
    model = CurveExtrapolator(5, 30).fit(made())
    asked = made(2, 6, seed=2)
    early = [Curve(c.family, {e: c.scores[e] for e in range(1, 6)}, c.settings) for c in asked]
    lies = [Curve(c.family, {**c.scores, 6: 0.0, 30: 1.0}, c.settings) for c in asked]
    whole = model.predict(asked).mean
    assert np.array_equal(whole, model.predict(early).mean)
    assert np.array_equal(whole, model.predict(lies).mean)


def test_the_same_seed_gives_the_same_forecast_and_the_interval_holds_its_middle():
    curves, asked = made(), made(2, 6, seed=3)
    first, second = (CurveExtrapolator(5, 30, 7).fit(curves).predict(asked) for _ in range(2))
    assert np.array_equal(first.mean, second.mean)
    assert np.all((first.low < first.mean) & (first.mean < first.high))
    assert np.all((first.low >= 0) & (first.high <= 1))


def test_a_wider_level_makes_a_wider_interval():
    curves, asked = made(), made(2, 6, seed=3)
    narrow = CurveExtrapolator(5, 30, level=0.5).fit(curves).predict(asked)
    wide = CurveExtrapolator(5, 30, level=0.9).fit(curves).predict(asked)
    assert np.all(wide.high - wide.low > narrow.high - narrow.low)


def test_features_are_what_they_say():
    curves = [
        Curve("a", {1: 0.2, 3: 0.4, 9: 0.9}, {"batch": 3.0}),
        Curve("a", {1: 0.5, 2: 0.6, 3: 0.5}),
        Curve("b", {3: 0.5}),
    ]
    rows = curve_features(curves, 3, 9, ["batch"])
    columns = iter(rows.T)
    assert next(columns) == pytest.approx(logit(np.asarray([0.4, 0.6, 0.5])))
    assert next(columns) == pytest.approx(logit(np.asarray([0.4, 0.5, 0.5])))
    assert next(columns) == pytest.approx(logit(np.asarray([0.2, 0.5, 0.5])))
    assert next(columns) == pytest.approx(logit(np.asarray([0.3, 1.6 / 3, 0.5])))
    grid = np.stack([next(columns) for _ in range(3)])
    assert grid == pytest.approx(np.asarray([[0.2, 0.5, 0.5], [0.3, 0.6, 0.5], [0.4, 0.5, 0.5]]))
    wanted = {
        "best": [0.4, 0.6, 0.5],
        "rise": [0.2, 0.0, 0.0],
        "step": [0.1, -0.1, 0.0],
        "uneven": [0.0, 0.0, 0.0],
        "down": [0.0, 1.0, 0.0],
    }
    for values in wanted.values():
        assert next(columns) == pytest.approx(values, abs=1e-12)
    power = np.polyfit(np.log([1.0, 2.0, 3.0]), np.log([0.8, 0.7, 0.6]), 1)[0]
    assert next(columns)[0] == pytest.approx(power)
    assert next(columns)[0] == pytest.approx(1 - 0.6 * 3**power)
    wanted = {
        "family's best": [0.5, 0.5, 0.5],
        "middle": [0.45, 0.45, 0.5],
        "first": [0.5, 0.5, 0.5],
        "best of all": [0.6, 0.6, 0.5],
        "spread": [0.05, 0.05, 0.0],
        "behind the best": [-0.1, 0.0, 0.0],
        "behind the middle": [-0.05, 0.05, 0.0],
        "ahead of": [0.0, 0.5, 0.0],
        "batch": [3.0, np.nan, np.nan],
    }
    for values in wanted.values():
        assert next(columns) == pytest.approx(values, abs=1e-12, nan_ok=True)
    assert not list(columns)


@pytest.mark.parametrize(("early", "final"), [(1, 2), (1, 50), (2, 3)])
def test_the_shortest_curves_do(early, final):
    curves = made(6, 4, final=final)
    found = CurveExtrapolator(early, final).fit(curves).predict(curves)
    assert np.all(np.isfinite(found.mean))


@given(st.lists(st.floats(0.021, 0.979), min_size=1, max_size=5))
def test_logit_and_expit_undo_each_other(shares):
    given_ = np.asarray(shares)
    assert expit(logit(given_)) == pytest.approx(given_)


def test_the_weighted_quantile_is_the_plain_one_at_equal_weights():
    errors = np.arange(1.0, 101.0)
    assert weighted_quantile(errors, np.ones(100), 0.895, 10**9) == 90.0
    assert weighted_quantile(errors, np.ones(100), 0.9, 9) == 100.0
    heavy = np.where(errors == 3.0, 1e6, 1.0)
    assert weighted_quantile(errors, heavy, 0.9, 10**9) == 3.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CurveExtrapolator(5, 5), "early < final"),
        (lambda: CurveExtrapolator(0, 5), "1 <= early"),
        (lambda: CurveExtrapolator(level=1.0), "level"),
        (lambda: CurveExtrapolator(5, 30).fit(made(3)), "at least 12 of 4"),
        (lambda: CurveExtrapolator(5, 30).predict([]), "before fit"),
        (lambda: CurveExtrapolator(5, 30).quality, "before fit"),
        (lambda: Curve("a", {1: 55.0}), "outside 0 to 1"),
        (lambda: Curve("a", {0: 0.5}), "below 1"),
        (
            lambda: CurveExtrapolator(5, 30).fit(made()).predict([Curve("a", {1: 0.5})]),
            "no score at epoch 5",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(make, words):
    with pytest.raises(InputError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_no_curves_give_no_forecasts():
    assert len(CurveExtrapolator(5, 30).fit(made()).predict([]).mean) == 0
