"""Reading a pool of families from what a person wrote, and the errors of the registry."""

import pytest

from moesaic.errors import InputError
from moesaic.spaces.families import (
    LEMUR29,
    family,
    family_names,
    get_family,
    read_pool,
    register_family,
)


def test_the_preset_is_the_pool_of_the_campaign():
    assert read_pool(" lemur29 ") == LEMUR29
    assert len(set(LEMUR29)) == 29
    assert list(LEMUR29) == sorted(LEMUR29)
    assert {"AirNet", "ShuffleNet", "InceptionV3-1", "VisionTransformer"} < set(LEMUR29)


@pytest.mark.xfail(
    len(family_names("native")) < len(LEMUR29),
    reason="some families are not written yet",
    strict=True,
)
def test_every_member_of_the_preset_is_native():
    assert family_names("native") == LEMUR29


def test_names_are_read_in_the_order_written():
    assert read_pool("VGG, AlexNet ,ResNet,") == ("VGG", "AlexNet", "ResNet")
    assert read_pool("VGG") == ("VGG",)
    assert read_pool("native") == family_names("native")


def test_a_file_is_read_line_by_line(tmp_path, monkeypatch):
    path = tmp_path / "pool.txt"
    path.write_text("# what I like\nVGG\n\n  ResNet  # deep\n", encoding="utf-8")
    assert read_pool(str(path)) == ("VGG", "ResNet")
    monkeypatch.chdir(tmp_path)
    assert read_pool("pool.txt") == ("VGG", "ResNet")
    (tmp_path / "mine").write_text("AlexNet\n", encoding="utf-8")
    assert read_pool("mine") == ("AlexNet",)
    (tmp_path / "VGG").write_text("AlexNet\n", encoding="utf-8")
    assert read_pool("VGG") == ("VGG",), "a name of a family is not taken for a file"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no families"),
        (" , ", "no families"),
        ("VGG,RseNet", "unknown family 'RseNet': did you mean ResNet"),
        ("VGG,ResNet,VGG", "'VGG' twice"),
        ("no/such/file", "no pool file no/such/file"),
        ("missing.txt", "no pool file missing.txt"),
    ],
)
def test_a_bad_pool_is_refused_in_one_line(text, words):
    with pytest.raises(InputError, match=words) as caught:
        read_pool(text)
    assert "\n" not in str(caught.value)


def test_a_name_of_a_provider_is_not_taken_for_a_path():
    with pytest.raises(InputError, match="timm") as caught:
        read_pool("timm/no-such-network")
    assert "file" not in str(caught.value)


def test_a_bad_file_is_named(tmp_path):
    path = tmp_path / "pool.txt"
    for content, words in {
        b"# nothing\n": "no families",
        b"VGG\nVGG\n": "twice",
        b"\xff\xfe\x00V": "cannot be read as text",
    }.items():
        path.write_bytes(content)
        with pytest.raises(InputError, match=words) as caught:
            read_pool(str(path))
        assert "pool.txt" in str(caught.value)
    with pytest.raises(InputError, match="cannot be read as text"):
        read_pool(f"{tmp_path}/")


def test_a_name_is_one_word_and_taken_once():
    def build(shape, classes):
        raise NotImplementedError

    for name in ("", "two words", "a+b", "a,b", " VGG"):
        with pytest.raises(InputError, match="expected one word"):
            register_family(name, build)
    with pytest.raises(InputError, match="registered already"):
        family("VGG", provenance="nowhere")(build)
    assert get_family("VGG").build is not build
    known = get_family("VGG")
    family("VGG", provenance=known.provenance)(known.build)  # the same again is no fault
    assert get_family("VGG") == known


def test_names_are_sorted_and_told_apart_by_provider():
    assert list(family_names()) == sorted(family_names())
    assert set(family_names("native")) <= set(family_names())


def test_an_unknown_family_is_answered_with_near_names():
    with pytest.raises(InputError, match=r"unknown family 'SqueezeNet'.*SqueezeNet-1"):
        get_family("SqueezeNet")
