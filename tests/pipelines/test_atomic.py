import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.errors import BusyError, StorageError
from data.lock import locked
from pipelines.atomic import digest, point, replacing, run_folder

WRITER = """
import sys, time
from pathlib import Path
from data.lock import locked
from pipelines.atomic import run_folder
root = Path(sys.argv[1])
print("ready", flush=True)
for n in range(1, 10_000):
    run = run_folder(root, f"run-{n % 3}", current=root / "current")
    with locked(root / ".lock"), run as draft:
        for part in range(5):
            (draft / f"part-{part}").write_text(str(n) * 2000)
"""


def publish(root: Path, text: str, run_id: str = "one") -> None:
    with run_folder(root, run_id, current=root / "current") as draft:
        (draft / "part").write_text(text)


def leftovers(root: Path) -> list[str]:
    return [path.name for path in root.iterdir() if path.name.startswith(".tmp")]


def test_a_run_appears_whole_and_current_points_at_it(tmp_path: Path) -> None:
    publish(tmp_path, "a")
    assert (tmp_path / "one" / "part").read_text() == "a"
    assert os.readlink(tmp_path / "current") == "one"
    assert leftovers(tmp_path) == []


def test_a_rerun_replaces_the_run(tmp_path: Path) -> None:
    publish(tmp_path, "a")
    publish(tmp_path, "b")
    assert (tmp_path / "current" / "part").read_text() == "b"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["current", "one"]


def test_a_failed_run_leaves_the_former_result(tmp_path: Path) -> None:
    publish(tmp_path, "a")
    with pytest.raises(ZeroDivisionError), run_folder(tmp_path, "one") as draft:
        _ = (draft / "part").write_text("half") / 0
    assert (tmp_path / "current" / "part").read_text() == "a"
    assert leftovers(tmp_path) == []


def test_a_killed_writer_leaves_the_old_result_or_the_new_one(tmp_path: Path) -> None:
    for delay in (0.0, 0.003, 0.011, 0.024, 0.05):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        job = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert job.stdout is not None
        job.stdout.readline()
        time.sleep(delay)
        job.send_signal(signal.SIGKILL)
        job.wait()
        job.stdout.close()
        for run in tmp_path.glob("run-*"):
            texts = {part.read_text() for part in run.iterdir()}
            assert len(texts) == 1
            assert len(list(run.iterdir())) == 5
        if (tmp_path / "current").is_symlink():
            assert (tmp_path / "current").resolve().exists()
    with locked(tmp_path / ".lock"):  # the dead hold no lock
        for number in range(3):
            publish(tmp_path, "after", f"run-{number}")
    assert leftovers(tmp_path) == []


def test_a_writer_killed_at_the_symlink_leaves_nothing_for_ever(tmp_path: Path) -> None:
    (tmp_path / ".tmp-current").symlink_to("one")  # made, not yet renamed
    publish(tmp_path, "a")
    assert leftovers(tmp_path) == []


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path / ".lock"):
        with pytest.raises(BusyError) as error, locked(tmp_path / ".lock"):
            pass
        assert error.value.exit_code == 75
    with locked(tmp_path / ".lock"):
        pass


def test_a_full_disk_leaves_the_former_result(tmp_path: Path) -> None:
    publish(tmp_path, "a")
    code = f"""
import resource
from pathlib import Path
from pipelines.atomic import run_folder
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
with run_folder(Path({str(tmp_path)!r}), "one") as draft:
    (draft / "part").write_text("x" * 5000)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "StorageError" in done.stderr
    assert (tmp_path / "one" / "part").read_text() == "a"
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_without_permission_is_an_error_of_the_user(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from data.lock import locked
from pipelines.atomic import run_folder
os.setgid(65534); os.setuid(65534)
with run_folder(Path("/") / sys.argv[1], "one"):
    pass
"""
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o755)
    for parent in (shut, *shut.parents):
        if parent != Path("/") and parent.stat().st_uid == 0:
            parent.chmod(parent.stat().st_mode | 0o055)
    done = subprocess.run(
        [sys.executable, "-c", code, str(shut)], capture_output=True, text=True, check=False
    )
    assert "StorageError: " in done.stderr
    assert "Permission denied" in done.stderr


def test_a_single_file_is_replaced_or_untouched(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as draft:
        _ = draft.write_text("half") / 0
    assert path.read_text() == "old"
    with replacing(path) as draft:
        draft.write_text("new")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["new"]


def test_a_file_in_the_place_of_a_folder_is_an_error_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("")
    with pytest.raises(StorageError), run_folder(tmp_path / "artifacts" / "runs", "one"):
        pass


def test_point_moves_a_link(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        point(tmp_path / "current", tmp_path / name)
    assert os.readlink(tmp_path / "current") == "b"


def test_digest_keeps_parts_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert len(digest("ab")) == 12
