"""Tables of NAS-Bench-201 cells: joining, losses, isomorphic rows, what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from benchmarks._nasbench_table import read_tables

from moesaic.errors import InputError

ONE = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"
TWIN = "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|"
OTHER = "|avg_pool_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"


def table(path: Path, header: str, *rows: str) -> Path:
    text = "\n".join([header, *rows, ""])
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def test_tables_are_joined_and_isomorphic_rows_can_be_averaged(tmp_path: Path) -> None:
    first = table(
        tmp_path / "a.csv.gz",
        "arch,cellstr,x-val,x-test",
        f"0,{ONE},80,70",
        f"1,{OTHER},10,0",
        f"2,{TWIN},60,50",
        f"3,{OTHER},10,10",
    )
    second = table(tmp_path / "b.csv", "arch,y-val,y-test", "2,30,31", "0,20,21", "1,100,12")
    cells = read_tables([first, second], ["x-val", "y-val"], ["x-test", "y-test"])
    assert cells.accuracy.tolist() == [[80, 20], [10, 100], [60, 30]]
    assert cells.judge_accuracy.tolist() == [[70, 21], [0, 12], [50, 31]]
    assert cells.loss[0] == pytest.approx(-np.log([0.8, 0.2]))
    assert cells.loss[1, 1] == 0.0
    assert cells.judge_loss[1, 0] == pytest.approx(-np.log(0.001))
    assert cells.architectures[0].key == cells.architectures[2].key
    once = cells.distinct()
    assert [one.key for one in once.architectures] == [one.key for one in cells.architectures[:2]]
    assert once.accuracy.tolist() == [[70, 25], [10, 100]]
    assert once.loss[0] == pytest.approx(-np.log([0.7, 0.25]))


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        ("arch,cellstr,a", f"0,{ONE},1", "no column 'b'"),
        ("cellstr,a,b", f"{ONE},1,2", "no column 'arch'"),
        ("arch,a,b", "0,1,2", "no column 'cellstr'"),
        ("arch,cellstr,a,b", f"0,{ONE},1,x", "'x'"),
        ("arch,cellstr,a,b", f"0,{ONE},1,101", "0 to 100"),
        ("arch,cellstr,a,b", "0,|conv~0|,1,2", "1 edges"),
        ("arch,cellstr,a,b", f"0,{ONE},1,2\n0,{ONE},1,2", "twice"),
        ("arch,cellstr,a,b", "", "no rows"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, header: str, row: str, said: str) -> None:
    path = table(tmp_path / "t.csv", header, *([row] if row else []))
    with pytest.raises(InputError, match=said):
        read_tables([path], ["a"], ["b"])


def test_a_column_in_two_tables_is_ambiguous_and_a_missing_file_is_said(tmp_path: Path) -> None:
    one = table(tmp_path / "1.csv", "arch,cellstr,a,b", f"0,{ONE},1,2")
    two = table(tmp_path / "2.csv", "arch,cellstr,a,b", f"0,{ONE},1,2")
    with pytest.raises(InputError, match="2 tables"):
        read_tables([one, two], ["a"], ["b"])
    with pytest.raises(InputError, match="cannot read"):
        read_tables([tmp_path / "none.csv"], ["a"], ["b"])
    with pytest.raises(InputError, match="one judge a cluster"):
        read_tables([one], ["a"], [])
    apart = table(tmp_path / "3.csv", "arch,c", "7,1")
    with pytest.raises(InputError, match="no 'arch' occurs in all"):
        read_tables([one, apart], ["a"], ["c"])
