"""Opening, refusing and migrating a bank; temporary files and full disks."""

import errno
import os
import sqlite3
import threading

import numpy as np
import pytest
from sqlalchemy import text

from moesaic.bank import Bank, Trial, save_predictions, write_atomic
from moesaic.bank import _files as files
from moesaic.bank import _schema as schema
from moesaic.errors import InputError, RunFailed


def execute(folder, statement: str) -> list[tuple]:
    connection = sqlite3.connect(folder / "moesaic.db")
    with connection:
        rows = connection.execute(statement).fetchall()
    connection.close()
    return rows


def one_line(caught) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "run"
    with Bank.create(folder, fingerprint="f00d") as bank:
        bank.plan([Trial("expert", "rung0", index, seed=index) for index in range(500)])
    return folder


def test_there_is_no_run(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="there is no run in") as caught:
            Bank.open(place)
        one_line(caught)
    assert list(tmp_path.iterdir()) == [], "looking for a run leaves nothing behind"


def test_a_run_is_never_overwritten(folder, url):
    target = folder if url is None else folder.parent / "other"
    if url is not None:
        Bank.create(target, url, fingerprint="f00d").close()
    with pytest.raises(InputError, match=r"there is a run in .* already") as caught:
        Bank.create(target, url, fingerprint="beef")
    one_line(caught)
    with Bank.open(target, url) as bank:
        assert bank.meta("fingerprint") == "f00d"


def test_a_run_that_was_killed_while_it_was_made_can_be_made_again(tmp_path):
    (tmp_path / "moesaic.db").touch()
    with pytest.raises(InputError, match="there is no run in"):
        Bank.open(tmp_path)
    Bank.create(tmp_path, fingerprint="f00d").close()
    Bank.open(tmp_path).close()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot make the run directory") as caught:
        Bank.create(tmp_path / "file" / "run", fingerprint="f00d")
    one_line(caught)


@pytest.mark.parametrize("damage", ["no database", "truncated", "scribbled over"])
def test_a_damaged_database_is_one_line(folder, damage):
    path = folder / "moesaic.db"
    content = bytearray(path.read_bytes())
    if damage == "no database":
        content = bytearray(b"this is text, not a database\n" * 200)
    elif damage == "truncated":
        content = content[: len(content) // 2]
    else:
        content[8192 : len(content) - 4096] = b"\x5a" * (len(content) - 12288)
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read") as caught:
        Bank.open(folder)
    one_line(caught)


def test_a_database_of_something_else_is_no_run(tmp_path):
    execute(tmp_path, "CREATE TABLE songs (name TEXT)")
    with pytest.raises(InputError, match="there is no run"):
        Bank.open(tmp_path)


def test_a_newer_schema_is_refused(folder):
    execute(folder, "UPDATE schema_version SET version = 99")
    with pytest.raises(InputError, match=r"newer moesaic \(schema 99.*upgrade moesaic") as caught:
        Bank.open(folder)
    one_line(caught)
    assert execute(folder, "SELECT version FROM schema_version") == [(99,)]


def test_an_older_schema_is_migrated_once_or_not_at_all(folder, monkeypatch):
    def add_column(connection):
        connection.execute(text("ALTER TABLE trials ADD COLUMN mood TEXT"))

    def broken(connection):
        connection.execute(text("ALTER TABLE trials ADD COLUMN other TEXT"))
        connection.execute(text("ALTER TABLE nonsense ADD COLUMN other TEXT"))

    monkeypatch.setattr(schema, "MIGRATIONS", (add_column, broken))
    with pytest.raises(InputError, match="nonsense"):
        Bank.open(folder)
    assert execute(folder, "SELECT version FROM schema_version") == [(1,)]
    monkeypatch.setattr(schema, "MIGRATIONS", (add_column,))
    for _ in range(2):
        with Bank.open(folder) as bank:
            assert len(bank.trials()) == 500
    assert execute(folder, "SELECT version FROM schema_version") == [(2,)]
    columns = [row[1] for row in execute(folder, "PRAGMA table_info(trials)")]
    assert columns.count("mood") == 1
    assert "other" not in columns


@pytest.mark.parametrize("url", ["mysteryql://host/db", "not a url"])
def test_a_bad_url_is_one_line(tmp_path, url):
    with pytest.raises(InputError, match=r"sqlite|expected something like") as caught:
        Bank.create(tmp_path, url, fingerprint="f00d")
    one_line(caught)


def test_a_second_process_may_look_while_the_first_writes(folder):
    with Bank.open(folder) as writer, Bank.open(folder) as reader:
        key = writer.trials()[0].key
        writer.start(key)
        assert reader.status(key) == "running"


def test_threads_share_a_bank(folder):
    with Bank.open(folder) as bank:
        keys = [trial.key for trial in bank.trials()][:40]
        won: list[str] = []

        def take() -> None:
            for key in keys:
                try:
                    bank.start(key)
                except RunFailed:
                    continue
                won.append(key)

        threads = [threading.Thread(target=take) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won) == sorted(keys), "every trial is started by exactly one of them"


def test_leftover_temporary_files_are_removed_and_nothing_else(folder):
    save_predictions(folder, "ab", np.zeros((2, 2)))
    leftovers = [
        folder / "predictions" / ".tmp-0123456789ab-ab.npy",
        folder / "checkpoints" / ".tmp-0123456789ab-ab.safetensors",
        folder / ".tmp-0123456789ab-result.json",
    ]
    for path in leftovers:
        path.write_bytes(b"half")
    Bank.open(folder).close()
    assert not any(path.exists() for path in leftovers)
    assert (folder / "predictions" / "ab.npy").exists()


def test_a_file_that_is_being_written_is_left_alone(folder):
    path = folder / "predictions" / "ab.npy"

    def write(file):
        file.write(b"first ")
        assert files.remove_leftovers(folder) == 0
        file.write(b"second")

    write_atomic(path, write)
    assert path.read_bytes() == b"first second"


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "result.json"
    write_atomic(path, lambda file: file.write(b"old"))

    def fail(file):
        file.write(b"new")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        write_atomic(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, code):
    def full(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RunFailed, match="no space left on the disk") as caught:
        save_predictions(tmp_path, "ab", np.zeros((2, 2)))
    one_line(caught)
    assert list((tmp_path / "predictions").iterdir()) == []


def test_a_full_disk_under_the_database_is_one_line(folder):
    with Bank.open(folder) as bank:
        engine = bank._database._engine
        with engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        with engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        with pytest.raises(RunFailed, match="no space left on the disk") as caught:
            bank.plan([Trial("expert", "more", n, seed=n, payload={"x": "y"}) for n in range(3000)])
        one_line(caught)
        assert bank.counts()["planned"] == 500


def test_a_run_that_nobody_may_write_can_be_looked_at(folder, monkeypatch):
    place = folder.rename(folder.with_name("a b%20c?d"))
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    before = {path.name: path.stat().st_mtime_ns for path in place.iterdir()}
    with Bank.open(place) as bank:
        assert len(bank.trials()) == 500
        assert bank.meta("fingerprint") == "f00d"
        with pytest.raises(RunFailed, match="readonly"):
            bank.set_meta("a", 1)
    assert {path.name: path.stat().st_mtime_ns for path in place.iterdir()} == before
