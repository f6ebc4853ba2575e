"""docs/settings.md lists every setting, its default and what it means.

Written anew by `python tests/config/test_config_page.py`.
"""

from pathlib import Path
from typing import Literal, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from moesaic.config import CampaignConfig, Moe4, Recipe, SearchConfig, Taught

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
HEAD = """# Settings

Every setting of a search and of a campaign. Most have an option of the same name
(`--image-size` for `image_size`); all of them can be given by `--set name=value` or in a YAML file
with `--config` ([cli.md](cli.md#settings-of-a-search)). Lists are written `--set 'rungs=[4,16]'`,
inner settings `--set recipe.lr=0.01`.

Written from the settings themselves: `python tests/config/test_config_page.py`.
"""
PARTS = (
    ("A search", "", SearchConfig, None),
    (
        "A campaign",
        "Those that a search has too are in the table above.",
        CampaignConfig,
        SearchConfig,
    ),
    ("`recipe`", "How a network is trained.", Recipe, None),
    ("`taught`", "How a mixture's gate is taught.", Taught, None),
    ("`moe4`", "The preset `moe4` of campaigns.", Moe4, None),
)


def shown(value: object) -> str:
    """A default as it would be written in YAML, on one line."""
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, tuple):
        value = list(value)
    text = yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("...")
    return f"`{text.strip()}`"


def told(field: FieldInfo) -> str:
    """What it means, and what may be chosen where the words do not say it."""
    words = field.description or ""
    given = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    choices = [str(one) for one in given]
    if len(choices) < 2 or all(one in words for one in choices):
        return words
    return f"{words}: {', '.join(choices[:-1])} or {choices[-1]}"


def page() -> str:
    parts = [HEAD]
    for title, words, settings, known in PARTS:
        rows = [
            f"| `{name}` | {shown(field.get_default(call_default_factory=True))} | "
            f"{told(field).replace('|', chr(92) + '|')} |"
            for name, field in settings.model_fields.items()
            if name != "kind"
            and (
                known is None
                or name not in known.model_fields
                or known.model_fields[name].default != field.default
            )
        ]
        head = f"\n## {title}\n" + (f"\n{words}\n" if words else "")
        parts.append(head + "\n| setting | default | what it means |\n| --- | --- | --- |\n")
        parts.append("\n".join(rows) + "\n")
    return "".join(parts)


def test_the_page_lists_every_setting_as_it_is() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_setting_says_what_it_means() -> None:
    for _, _, settings, _ in PARTS:
        for name, field in settings.model_fields.items():
            nested = isinstance(field.get_default(call_default_factory=True), BaseModel)
            assert field.description or nested, name


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
