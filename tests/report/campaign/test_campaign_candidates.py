"""Reading candidates and pools: what is taken, and what is refused in one line."""

from __future__ import annotations

import gzip

import pytest

from moesaic.errors import InputError
from moesaic.report.campaign import Candidate, read_candidates, read_pool


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_columns_of_experts_in_any_order_beside_others(tmp_path):
    path = write(tmp_path / "a.csv", "note,E2, accuracy ,e1\nx,B,0.5,A\n\ny, C ,.25,A\n")
    assert read_candidates(path) == [Candidate(("A", "B"), 0.5), Candidate(("A", "C"), 0.25)]


def test_joined_families_with_a_mark_of_encoding_and_compressed(tmp_path):
    text = "families,accuracy\r\nA+é,0.5\r\nB + C,\r\n"
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(text.encode("utf-8-sig")))
    assert read_candidates(path) == [
        Candidate(("A", "é"), 0.5),
        Candidate(("B", "C"), None, "planned"),
    ]


def test_without_accuracies_every_row_was_tried(tmp_path):
    path = write(tmp_path / "a.csv", "e1,e2\nA,B\n")
    assert read_candidates(path) == [Candidate(("A", "B"), None, "done")]


def test_status_and_cause(tmp_path):
    rows = "A,B,.5,done,\nA,C,,failed,oom\nA,D,,,diverged\nB,C,.3,planned,\nB,D,nan,Finished,\n"
    found = read_candidates(write(tmp_path / "a.csv", "e1,e2,accuracy,status,cause\n" + rows))
    assert [(c.accuracy, c.status, c.cause) for c in found] == [
        (0.5, "done", ""),
        (None, "failed", "oom"),
        (None, "failed", "diverged"),
        (None, "planned", ""),
        (None, "done", ""),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("\n , \n", "is empty"),
        ("e1,e2\n", "names no candidate"),
        ("a,b\n1,2\n", "has the columns a, b"),
        ("e1,e3\nA,B\n", "expected e1, e2"),
        ("e1,e1\nA,B\n", "each once"),
        ("e1,e2\nA,B\nA,A\n", "line 3 names A twice"),
        ("e1,e2\nA,\n", "line 2 lacks the name"),
        ("families\nA+B\nA+B+C\n", "line 3 has 3 families, the first has 2"),
        ("e1,e2,accuracy\nA,B,good\n", "accuracy 'good'"),
        ("e1,e2,accuracy\nA,B,inf\n", "accuracy 'inf'"),
        ("e1,e2,status\nA,B,maybe\n", "status 'maybe'"),
        ("e1,e2\nA,B,C\n", "has 3 cells, expected 2"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, text, why):
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(InputError) as caught:
        read_candidates(path)
    assert why in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_candidates(tmp_path / "none.csv")
    with pytest.raises(InputError, match="no run in"):
        read_candidates(tmp_path)
    with pytest.raises(InputError, match="not UTF-8"):
        read_candidates(write(tmp_path / "a.csv", "e1,e2\né,B\n", "latin-1"))
    whole = gzip.compress(b"e1,e2\nA,B\n" * 99)
    for broken in (whole[:-20], whole[:12] + b"\xff" * 9 + whole[21:], b"\x1f\x8bno"):
        (tmp_path / "b.gz").write_bytes(broken)
        with pytest.raises(InputError, match="cannot read"):
            read_candidates(tmp_path / "b.gz")


def test_a_pool(tmp_path):
    assert read_pool(write(tmp_path / "p.txt", "# mine\nB\n\n A \n")) == ("B", "A")
    with pytest.raises(InputError, match="names no family"):
        read_pool(write(tmp_path / "p.txt", "\n"))
    with pytest.raises(InputError, match="A twice"):
        read_pool(write(tmp_path / "p.txt", "A\nB\nA\n"))
