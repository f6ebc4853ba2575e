"""The command as a process of its own: streams, Ctrl-C, and a real run from end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

# a run without torch: what the command line makes of it is what is tested
_FAKE = """
import os, subprocess, sys, time, types
from pathlib import Path

runs = types.ModuleType("moesaic.runs")

class Watcher:
    def stage(self, title, trials): ...
    def trial(self, title, done, trials, left, note): ...
    def say(self, line): ...

def search(config, out=None, watcher=None):
    watcher.stage("noise", 1)
    print("printed")
    os.write(1, b"written to the descriptor\\n")
    subprocess.run(["echo", "from a child"])
    if os.environ.get("WAIT"):
        time.sleep(60)
    folder = Path(out)
    folder.mkdir(exist_ok=True)
    (folder / "report.html").write_text("")
    return types.SimpleNamespace(folder=folder, result={"run": str(folder), "status": "done"})

runs.Watcher, runs.search, runs.resume = Watcher, search, search
sys.modules["moesaic.runs"] = runs
from moesaic.cli import main
main()
"""


def fake(*words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _FAKE, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_stdout_holds_only_the_answer(tmp_path: Path) -> None:
    out, err = (process := fake("search", "--out", str(tmp_path), "--json")).communicate()
    assert process.returncode == 0
    assert json.loads(out) == {"run": str(tmp_path), "status": "done"}
    for line in ("noise (1 trial)", "printed", "written to the descriptor", "from a child"):
        assert line in err


def test_ctrl_c_is_one_line_and_130(tmp_path: Path) -> None:
    process = fake("resume", str(tmp_path), "--json", WAIT="1")
    assert process.stderr is not None
    while "from a child" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == f"interrupted; continue with: moesaic resume {tmp_path}\n"
    assert json.loads(out)["status"] == "interrupted"


def test_nobody_listens_to_the_answer(tmp_path: Path) -> None:
    process = fake("search", "--out", str(tmp_path), "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Error" not in process.stderr.read()
    assert process.wait() == 1


def moesaic(*words: object, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "moesaic", *(str(word) for word in words)]
    return subprocess.run(command, capture_output=True, text=True, **more)  # type: ignore[call-overload,no-any-return]


_TINY = (
    *("search", "--data", "digits", "--experts", "2", "--trials", "4", "--epochs", "2"),
    *("--set", "rungs=[1,2]", "--set", "widths=[4,8]", "--set", "rounds=1", "--no-baselines"),
)


@pytest.mark.slow
def test_a_real_run_from_search_to_prediction(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = moesaic(*_TINY, "--out", run, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result == json.loads((run / "result.json").read_text())
    assert result["trials"]["lost"] == 0

    again = moesaic(*_TINY, "--out", run)
    assert again.returncode == 2
    assert "moesaic resume" in again.stderr

    assert moesaic("resume", run).stdout.startswith(result["verdict"]["sentence"])
    assert json.loads(moesaic("status", run, "--json").stdout)["status"] == "done"
    (run / "report.html").unlink()
    assert moesaic("report", run).stdout.strip() == str(run / "report.html")
    assert (run / "report.html").stat().st_size > 1000

    image = tmp_path / "digit.png"
    Image.new("L", (12, 12), 80).save(image)
    found = json.loads(moesaic("predict", run, image, "--json").stdout)["predictions"][0]
    assert found["class"] in "0123456789"

    program = tmp_path / "model.pt2"
    assert moesaic("export", run, "--out", program).returncode == 0
    alone = (
        "import sys, torch\n"
        f"model = torch.export.load({str(program)!r}).module()\n"
        f"logits = model(torch.full((3, 1, 8, 8), 80, dtype=torch.uint8))\n"
        "print(logits.softmax(1)[0].max().item(), 'moesaic' in sys.modules)\n"
    )
    told = subprocess.run([sys.executable, "-c", alone], capture_output=True, text=True, check=True)
    probability, loaded = told.stdout.split()
    assert float(probability) == pytest.approx(found["probability"], abs=1e-5)
    assert loaded == "False"


@pytest.mark.slow
def test_a_real_run_is_interrupted_and_resumed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "moesaic", *_TINY, "--out", str(run)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("architectures"):
            break
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1] == f"interrupted; continue with: moesaic resume {run}"
    assert "Traceback" not in err
    assert "continue with" in moesaic("status", run).stdout
    done = moesaic("resume", run, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trials"]["lost"] == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_an_answer_that_cannot_be_written_is_one_line(tmp_path: Path, more: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "moesaic", "data", "digits", *more]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: cannot write the answer: No space left on device\n"


def test_a_closed_stdout_is_no_fault() -> None:
    command = 'exec "$0" -m moesaic data digits >&-'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable], stderr=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
