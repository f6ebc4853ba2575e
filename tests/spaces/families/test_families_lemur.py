"""Families of LEMUR: files as they are there, made here; no class of one meets that of another."""

import pytest
import torch

from moesaic.errors import BuildError, InputError
from moesaic.spaces import family_names, get_family
from moesaic.spaces.families import _lemur

# Two files with a helper of the same name that do different things, as LEMUR has many.
HEAD = """
import torch
from torch import nn

def supported_hyperparameters():
    return {{'lr', 'momentum', 'dropout', 'unheard_of'}}

class Block(nn.Module):
    def __init__(self, inside, outside):
        super().__init__()
        self.layer = nn.Conv2d(inside, outside, {kernel}, padding={padding})
        self.norm = nn.BatchNorm2d(outside)
        self.drop = nn.Dropout(settings['dropout'])

    def forward(self, x):
        return self.drop(self.norm(self.layer(x)).relu())

class Net(nn.Module):
    def __init__(self, in_shape, out_shape, prm, device):
        super().__init__()
        global settings
        settings = prm
        print('a network of', in_shape)
        self.block = Block(in_shape[1], 6)
        self.head = nn.Linear(6, out_shape[0])
        self.shapes = (in_shape, out_shape, prm, device)

    def forward(self, x):
        features = self.block(x)
        logits = self.head(features.mean((2, 3)))
        return {answer}
"""
SMALL = HEAD.format(kernel=1, padding=0, answer="logits")
LARGE = HEAD.format(kernel=3, padding=1, answer="logits")


@pytest.fixture
def lemur(tmp_path, monkeypatch):
    """A folder laid out as in the package; returns a function that adds a network."""
    folder = tmp_path / "ab" / "nn" / "nn"
    folder.mkdir(parents=True)
    monkeypatch.setenv(_lemur.ENVIRONMENT, str(tmp_path))

    def add(name, text):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
        return f"lemur/{name}"

    return add


def test_two_that_share_a_helper_live_side_by_side(lemur):
    one, two = (
        get_family(lemur(name, text)).build((3, 8, 8), 5)
        for name, text in (("MobileNetV3", SMALL), ("ShuffleNet-1", LARGE))
    )
    assert type(one).__name__ == type(two).__name__ == "Net"
    assert type(one) is not type(two)
    assert type(one.block) is not type(two.block)
    assert (one.block.layer.kernel_size, two.block.layer.kernel_size) == ((1, 1), (3, 3))
    images = torch.rand(4, 3, 8, 8)
    assert one(images).shape == two(images).shape == (4, 5)
    again = get_family("lemur/MobileNetV3").build((3, 8, 8), 5)
    assert type(again) is type(one)


def test_it_is_told_shapes_and_every_hyperparameter(lemur):
    network = get_family(lemur("Net", SMALL)).build((1, 8, 9), 7)
    in_shape, out_shape, settings, device = network.shapes
    assert (in_shape, out_shape, device) == ((1, 1, 8, 9), (7,), torch.device("cpu"))
    assert settings["dropout"] == 0.2
    assert settings["pretrained"] == 0
    assert settings["unheard_of"] == 0.5


def test_what_it_prints_stays_off_the_standard_output(lemur, capsys):
    get_family(lemur("Net", SMALL)).build((1, 8, 8), 2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "a network of (1, 1, 8, 8)" in captured.err


def test_building_leaves_running_means_and_the_generator_alone(lemur):
    found = get_family(lemur("Net", SMALL))
    torch.manual_seed(3)
    network = found.build((1, 8, 8), 2)
    state = torch.get_rng_state()
    torch.manual_seed(3)
    torch.nn.Conv2d(1, 6, 1)
    torch.nn.Linear(6, 2)
    assert torch.equal(state, torch.get_rng_state())
    assert network.training
    assert network.block.norm.num_batches_tracked == 0
    assert torch.equal(network.block.norm.running_mean, torch.zeros(6))


def test_auxiliary_outputs_are_dropped(lemur):
    name = lemur(
        "Aux",
        HEAD.format(kernel=1, padding=0, answer="(logits, features) if self.training else logits"),
    )
    network = get_family(name).build((1, 8, 8), 2)
    images = torch.rand(3, 1, 8, 8)
    assert network(images).shape == (3, 2)
    assert network.eval()(images).shape == (3, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD.format(kernel=1, padding=0, answer="features"), r"answers with \(2, 6, 8, 8\) for 2"),
        (HEAD.format(kernel=1, padding=0, answer="{'out': logits}"), "answers with dict"),
        (HEAD.format(kernel=11, padding=0, answer="logits"), "cannot take images of shape"),
        ("class Net:\n    def __init__(self, *a): pass\n", "built a Net, not a module"),
        ("class Net:\n    def __init__(self): pass\n", "could not be built: TypeError"),
        ("x = 1\n", "defines no class Net"),
        ("import nothing_of_that_name\n", "could not be imported: ModuleNotFoundError"),
        (SMALL + "\nmodel = from_pretrained('x')\n", "fetches weights from the network"),
    ],
)
def test_what_is_no_classifier_is_refused_with_its_cause(lemur, text, says):
    found = get_family(lemur("Odd", text))
    with pytest.raises(BuildError, match=says) as caught:
        found.build((1, 8, 8), 2)
    assert "\n" not in str(caught.value)
    assert "lemur/Odd" in str(caught.value)


def test_only_images_are_taken(lemur):
    with pytest.raises(BuildError, match=r"takes images \(C, H, W\), got shape \(5,\)"):
        get_family(lemur("Net", SMALL)).build((5,), 2)


def test_nothing_is_executed_before_it_is_built(lemur):
    name = lemur("Trap", "raise SystemExit('executed')\n")
    assert family_names("lemur") == ("lemur/Trap",)
    assert get_family(name).provider == "lemur"


def test_names_are_those_that_people_wrote_and_variants_can_be_had(lemur):
    for name in (
        *("AirNet", "DPN68", "SqueezeNet-1", "__init__", "ga-12"),
        *(
            "AirNet-626c3eb9-5c0a-43be-bcba-745592729769",
            "C8C-RNN-6a517327bf0ef897a22186a2061e85b3",
        ),
    ):
        lemur(name, SMALL)
    lemur("Fetching", SMALL + "\nweights = Weights.DEFAULT\n")
    assert family_names("lemur") == ("lemur/AirNet", "lemur/DPN68", "lemur/SqueezeNet-1")
    assert get_family("lemur/ga-12").build((1, 8, 8), 2) is not None


def test_an_unknown_one_is_answered_with_near_ones(lemur):
    lemur("AirNet", SMALL)
    with pytest.raises(InputError, match=r"unknown family 'lemur/AirNat': .*lemur/AirNet"):
        get_family("lemur/AirNat")
    for name in ("lemur/../nn/AirNet", "lemur/__init__"):
        with pytest.raises(InputError, match="unknown family"):
            get_family(name)


def test_the_folder_of_the_networks_itself_will_do(lemur, tmp_path, monkeypatch):
    lemur("AirNet", SMALL)
    monkeypatch.setenv(_lemur.ENVIRONMENT, str(tmp_path / "ab" / "nn" / "nn"))
    assert family_names("lemur") == ("lemur/AirNet",)


def test_a_folder_without_networks_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(_lemur.ENVIRONMENT, str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere', which holds no networks"):
        family_names("lemur")


class TestInstalled:
    @pytest.fixture(autouse=True)
    def _no_folder(self, monkeypatch):
        monkeypatch.delenv(_lemur.ENVIRONMENT, raising=False)

    def install(self, monkeypatch, folder):
        class Distribution:
            version = "2.2.11"

            def locate_file(self, path):
                return folder / path

        monkeypatch.setattr(_lemur.importlib.metadata, "distribution", lambda name: Distribution())

    def test_the_package_is_where_they_are_looked_for(self, monkeypatch, tmp_path):
        self.install(monkeypatch, tmp_path)
        (tmp_path / "ab" / "nn" / "nn").mkdir(parents=True)
        (tmp_path / "ab" / "nn" / "nn" / "AirNet.py").write_text(SMALL, encoding="utf-8")
        assert family_names("lemur") == ("lemur/AirNet",)

    def test_a_version_without_networks_is_refused(self, monkeypatch, tmp_path):
        self.install(monkeypatch, tmp_path)
        with pytest.raises(InputError, match=r"2\.2\.11 has no networks .* install 2\.1\.2"):
            get_family("lemur/AirNet")

    def test_without_it_the_message_says_which_extra_brings_it(self, monkeypatch):
        def absent(name):
            raise _lemur.importlib.metadata.PackageNotFoundError(name)

        monkeypatch.setattr(_lemur.importlib.metadata, "distribution", absent)
        with pytest.raises(InputError, match=r"'moesaic\[lemur\]' brings it, or set MOESAIC_LEMUR"):
            family_names("lemur")
