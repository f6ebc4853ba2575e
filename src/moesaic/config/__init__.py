"""Configuration: the settings of runs and recipes, and reading them."""

from moesaic.config._campaign import CampaignConfig, parse_bytes
from moesaic.config._make import AnyConfig, make_campaign_config, make_config, make_run_config
from moesaic.config._presets import preset_recipe
from moesaic.config._read import load_config, merge_settings, parse_assignments, parse_duration
from moesaic.config._recipe import Moe4, Recipe, Settings, Taught
from moesaic.config._run import RunConfig
from moesaic.config._search import SearchConfig

__all__ = [
    "AnyConfig",
    "CampaignConfig",
    "Moe4",
    "Recipe",
    "RunConfig",
    "SearchConfig",
    "Settings",
    "Taught",
    "load_config",
    "make_campaign_config",
    "make_config",
    "make_run_config",
    "merge_settings",
    "parse_assignments",
    "parse_bytes",
    "parse_duration",
    "preset_recipe",
]
