"""Recipes of the presets and the settings of moe4: the published figures, and what is refused."""

import pytest
from pydantic import ValidationError

from moesaic.config import Moe4, Recipe, make_campaign_config, preset_recipe
from moesaic.errors import InputError


def test_the_recipe_of_moe4_is_the_published_one():
    recipe = preset_recipe("moe4")
    assert (recipe.lr, recipe.weight_decay) == (5e-4, 5e-4)
    assert (recipe.lr * recipe.gate_lr, recipe.gate_weight_decay) == (1e-3, 2.5e-4)
    assert (recipe.label_smoothing, recipe.mixup, recipe.clip) == (0.1, 0.2, 1.0)
    assert (recipe.schedule, recipe.warmup_epochs, recipe.min_lr) == ("warmup_cosine", 5, 1e-6)
    assert preset_recipe("taught") == Recipe()
    with pytest.raises(InputError, match="unknown preset 'moe3': did you mean moe4"):
        preset_recipe("moe3")


def test_the_settings_of_moe4_are_the_published_ones():
    found = Moe4()
    assert (found.temperature, found.temperature_range) == (2.0, (0.5, 5.0))
    assert (found.noise, found.balance_weight, found.gate_dropout) == (0.1, 0.01, 0.1)
    assert found.gate_widths == (64, 128, 64)
    assert Moe4(**found.to_dict()) == found


@pytest.mark.parametrize(
    ("epochs", "share"), [(1, 0.25), (3, 0.25), (20, 0.25), (40, 0.125), (50, 0.1)]
)
def test_the_warm_up_is_at_most_its_share_and_its_epochs(epochs, share):
    assert preset_recipe("moe4").for_epochs(epochs).warmup_share == pytest.approx(share)


def test_without_epochs_of_warm_up_the_share_alone_counts():
    assert Recipe(epochs=1000, warmup=0.3).warmup_share == 0.3


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.5},
        {"temperature": 5.0},
        {"temperature": 6.0},
        {"temperature_range": (0.0, 5.0)},
        {"temperature_range": (5.0, 0.5)},
        {"gate_widths": (64, 128)},
        {"gate_widths": (64, 0, 64)},
        {"gate_dropout": 1.0},
        {"noise": -0.1},
        {"balance": "cv"},
    ],
)
def test_settings_of_moe4_that_cannot_be_are_refused(settings):
    with pytest.raises(ValidationError):
        Moe4(**settings)


def test_a_floor_above_the_peak_is_refused():
    with pytest.raises(ValidationError, match="min_lr is"):
        Recipe(lr=1e-3, min_lr=1e-2)


def test_a_campaign_gets_the_clusters_it_asked_for_or_is_refused():
    with pytest.raises(InputError, match="clusters is 2, expected 4 or more: an expert of"):
        make_campaign_config({"preset": "taught", "experts": 4, "clusters": 2})
    with pytest.raises(InputError, match=r"clusters is 1, expected 2 or more$"):
        make_campaign_config({"clusters": 1})
    assert make_campaign_config({"experts": 4, "clusters": 2}).clusters == 2


def test_a_campaign_takes_the_settings_of_moe4_by_name():
    config = make_campaign_config({"moe4": {"balance": "importance", "noise": 0}})
    assert config.moe4 == Moe4(balance="importance", noise=0.0)
    assert make_campaign_config(config.to_dict()) == config
    with pytest.raises(InputError, match=r"unknown moe4\.balance 'swich': did you mean switch"):
        make_campaign_config({"moe4": {"balance": "swich"}})
    with pytest.raises(InputError, match="unknown setting 'nois': did you mean noise"):
        make_campaign_config({"moe4": {"nois": 1}})
    with pytest.raises(InputError, match=r"unknown recipe\.schedule"):
        make_campaign_config({"recipe": {"schedule": "cosine"}})


def test_every_setting_of_moe4_says_what_it_is():
    for model in (Moe4, Recipe):
        assert all(field.description for field in model.model_fields.values())
