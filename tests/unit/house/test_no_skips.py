"""The rule of tests/conftest.py that a skipped test fails a run which asked for it, in a real run of pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[2] / "conftest.py"
SKIPPED = "import pytest\n\ndef test_runs(): pass\n\n@pytest.mark.skip\ndef test_is_skipped(): pass\n"
SKIPPED_MODULE = "import pytest\npytest.skip(allow_module_level=True)\n"
EXPECTED_FAILURE = "import pytest\n\n@pytest.mark.xfail\ndef test_fails(): assert False\n"


def run(folder: Path, test: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(test)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "MESSENGER_HUB"))}
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | variables
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("test", [SKIPPED, SKIPPED_MODULE], ids=["test", "module"])
@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n1")], ids=["one process", "xdist"])
def test_a_skipped_test_fails_the_run_that_forbids_skips(tmp_path: Path, test: str, options: tuple[str, ...]) -> None:
    finished = run(tmp_path, test, *options, MESSENGER_HUB_NO_SKIPS="1")
    assert finished.returncode == 1, finished.stdout + finished.stderr
    assert "skipped tests fail this run" in finished.stdout


def test_the_option_does_what_the_variable_does(tmp_path: Path) -> None:
    assert run(tmp_path, SKIPPED, "--no-skips").returncode == 1


def test_skips_are_allowed_by_default(tmp_path: Path) -> None:
    assert run(tmp_path, SKIPPED).returncode == 0


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    assert run(tmp_path, EXPECTED_FAILURE, MESSENGER_HUB_NO_SKIPS="1").returncode == 0
