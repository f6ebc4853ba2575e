"""Finding families by name: registered ones, entry points, and providers that are not installed."""

import importlib.metadata
import importlib.util
import sys
from types import ModuleType

import pytest
from torch import nn

from moesaic.errors import InputError
from moesaic.spaces import Family, family, family_names, get_family, register_family
from moesaic.spaces.families import _entry_points, _optional, _registry


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    family_names()  # native ones register themselves on the first look
    monkeypatch.setattr(_registry, "_REGISTERED", dict(_registry._REGISTERED))


def linear(input_shape, classes):
    channels, height, width = input_shape
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))


@pytest.fixture
def offer(monkeypatch):
    """Install entry points that load what a fake module holds."""
    module = ModuleType("families_for_tests")
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def install(**targets):
        for name, target in targets.items():
            setattr(module, name, target)
        points = [
            importlib.metadata.EntryPoint(name, f"{module.__name__}:{name}", _entry_points.GROUP)
            for name in targets
        ]
        monkeypatch.setattr(_entry_points, "entry_points", lambda group: points)

    return install


class TestRegistered:
    def test_what_is_registered_can_be_had(self):
        register_family("Line", linear, provenance="nowhere")
        assert get_family("Line") == Family("Line", linear, "plugin", 1, "nowhere")
        assert "Line" in family_names()
        assert "Line" in family_names("plugin")
        assert "Line" not in family_names("native")

    def test_the_decorator_leaves_the_function_as_it_was(self):
        build = family("Line", provenance="nowhere", min_size=4, provider="mine")(linear)
        assert build is linear
        assert get_family("Line").min_size == 4
        assert family_names("mine") == ("Line",)

    def test_registering_the_same_again_changes_nothing_and_another_is_refused(self):
        register_family("Line", linear)
        register_family("Line", linear)
        with pytest.raises(InputError, match="'Line' is registered already"):
            register_family("Line", lambda shape, classes: linear(shape, classes))

    @pytest.mark.parametrize("name", ["", "a b", "a+b", "a,b", " a"])
    def test_a_name_is_one_word(self, name):
        with pytest.raises(InputError, match="expected one word"):
            register_family(name, linear)

    def test_nobody_takes_a_name_in_the_room_of_a_provider(self):
        with pytest.raises(InputError, match="begin with timm/"):
            register_family("timm/mine", linear)

    def test_an_unknown_name_is_answered_with_near_ones(self):
        register_family("LineNet", linear)
        with pytest.raises(InputError, match=r"unknown family 'LinNet': did you mean .*LineNet"):
            get_family("LinNet")

    def test_a_name_far_from_many_is_not_answered_with_all_of_them(self):
        for index in range(50):
            register_family(f"Line{index}", linear)
        with pytest.raises(InputError, match=r"none of the \d+ that are known is near") as caught:
            get_family("@@@@@@@@")
        assert len(str(caught.value)) < 200

    def test_an_unknown_provider_is_answered_with_near_ones(self):
        with pytest.raises(InputError, match=r"'pytorchvc': did you mean pytorchcv\?"):
            family_names("pytorchvc")

    def test_names_are_sorted_and_nobody_has_registered_as_plugin(self):
        assert list(family_names()) == sorted(family_names())
        assert family_names("plugin") == ()


class TestEntryPoints:
    def test_it_is_listed_without_being_loaded(self, offer, monkeypatch):
        offer(Line=linear)
        monkeypatch.setitem(sys.modules, "families_for_tests", None)
        assert "Line" in family_names()
        with pytest.raises(InputError, match="cannot be loaded from families_for_tests:Line"):
            get_family("Line")

    def test_it_loads_a_build_function(self, offer):
        offer(Line=linear)
        found = get_family("Line")
        assert found.build is linear
        assert found.provider == "entry point"
        assert get_family("Line") is found

    def test_its_distribution_is_its_provider(self, offer, monkeypatch):
        offer(Line=linear)
        point = _entry_points.offered()["Line"]

        class Distribution:
            name, version = "line-families", "2.0"

        owned = point._for(Distribution())
        monkeypatch.setattr(_entry_points, "entry_points", lambda group: [owned])
        assert family_names("line-families") == ("Line",)
        found = get_family("Line")
        assert (found.provider, found.provenance) == ("line-families", "line-families 2.0")

    def test_a_decorated_function_brings_its_own_metadata(self, offer):
        class Decorated(ModuleType):
            def __getattr__(self, name):
                return family("Line", provenance="there", min_size=5, provider="mine")(linear)

        offer(Line=linear)
        sys.modules["families_for_tests"] = Decorated("families_for_tests")
        found = get_family("Line")
        assert (found.min_size, found.provenance, found.provider) == (5, "there", "mine")

    def test_what_is_registered_comes_first(self, offer):
        offer(Line=lambda shape, classes: None)
        register_family("Line", linear)
        assert get_family("Line").build is linear

    def test_it_has_to_be_a_function(self, offer):
        offer(Line=3)
        with pytest.raises(InputError, match=r"is a int, expected a function build\(input_shape"):
            get_family("Line")


class TestMissingPackages:
    @pytest.mark.parametrize(
        ("provider", "package"), [("pytorchcv", "pytorchcv"), ("timm", "timm")], ids=str
    )
    def test_the_message_says_which_extra_brings_it(self, provider, package, monkeypatch):
        find = importlib.util.find_spec
        monkeypatch.setattr(
            _optional.importlib.util,
            "find_spec",
            lambda name: None if name == package else find(name),
        )
        module = _registry._provider(provider)
        for cached in (module.find, getattr(module, "_timm", module.find)):
            cached.cache_clear()
        for ask in (lambda: family_names(provider), lambda: get_family(f"{provider}/resnet")):
            with pytest.raises(InputError, match=rf"{package} is not .*'moesaic\[zoo\]'"):
                ask()


class TestTorchvision:
    @pytest.fixture
    def fails(self, monkeypatch):
        """Have the import of torchvision fail with these messages, then succeed."""
        declared = []
        monkeypatch.setattr(_optional, "require", lambda package, extra: None)
        monkeypatch.setattr(_optional, "_declare", lambda: declared.append(True))
        whole = ModuleType("torchvision")

        def install(*messages):
            left = list(messages)

            def import_module(name):
                if left:
                    raise RuntimeError(left.pop(0))
                return whole

            monkeypatch.setattr(_optional.importlib, "import_module", import_module)
            return whole, declared

        return install

    def test_one_for_another_torch_is_imported_all_the_same(self, fails):
        whole, declared = fails("operator torchvision::nms does not exist")
        assert _optional.import_torchvision() is whole
        assert declared == [True]

    def test_a_sound_one_is_left_alone(self, fails):
        whole, declared = fails()
        assert _optional.import_torchvision() is whole
        assert not declared

    @pytest.mark.parametrize(
        "messages",
        [("no such library",), ("operator torchvision::nms does not exist", "another\nthing")],
    )
    def test_one_that_fails_all_the_same_is_named(self, fails, messages):
        fails(*messages)
        with pytest.raises(InputError, match="install the torchvision that was built") as caught:
            _optional.import_torchvision()
        assert "\n" not in str(caught.value)
