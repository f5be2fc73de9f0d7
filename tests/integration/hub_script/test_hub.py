"""What `./hub` does on machines that lack this or that."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.integration.hub_script.conftest import Machine, base_interpreter, finish

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
NO_TRAY_LIBRARIES = "EXTRAS += \"Requires-Dist: no-such-package @ file:///nowhere/x.whl ; extra == 'tray'\\n\"\n"


def test_the_first_start_installs_and_says_so_with_times_and_the_second_says_nothing(new_machine: Machine) -> None:
    first = new_machine.run("--version")
    assert (first.code, first.stdout) == (0, f"ran {new_machine.project.parent} --version\n"), first.stderr
    made, installed = first.stderr.splitlines()
    assert made.startswith(f"hub: making .venv with Python {VERSION} (") and made.endswith(" s")
    assert installed.startswith("hub: installing Messenger Hub and its libraries") and installed.endswith(" s")
    second = new_machine.run("send", "two words")
    assert (second.code, second.stdout) == (0, f"ran {new_machine.project.parent} send two words\n")
    assert second.stderr == ""
    assert new_machine.builds == 1
    assert not [*(new_machine.project.parents[1] / "tmp").glob("messenger-hub.*")], "a step's output was left behind"


def test_a_later_start_needs_no_python_before_the_command_itself(machine: Machine) -> None:
    machine.run("--version")
    for name in ("python3", "mktemp", "date", "flock"):
        (machine.programs / name).unlink()
    assert machine.run("--version").code == 0


@pytest.mark.parametrize("name", ["pyproject.toml", "hatch_build.py", "proto/messenger_hub/v1/one.proto"])
def test_a_change_of_what_is_installed_installs_again(machine: Machine, name: str) -> None:
    machine.run("--version")
    with (machine.project / name).open("a") as file:
        file.write("\n")
    assert machine.run("--version").code == 0
    assert machine.builds == 2


def test_generated_code_that_was_cleaned_away_is_made_again(machine: Machine) -> None:
    machine.run("--version")
    (machine.project / "proto/messenger_hub/descriptors.binpb").unlink()
    assert machine.run("--version").code == 0
    assert machine.builds == 2


def test_an_interrupted_installation_is_repeated(machine: Machine) -> None:
    os.mkfifo(machine.project / "block")
    process = machine.start("--version")
    with (machine.project / "block").open("w"):  # opens once the build has come so far
        os.killpg(process.pid, signal.SIGINT)
        assert finish(process).code != 0
    (machine.project / "block").unlink()
    again = machine.run("--version")
    assert again.code == 0, again.stderr
    assert machine.builds == 2


def test_an_environment_without_pip_is_made_anew(quick_machine: Machine) -> None:
    (quick_machine.project / ".venv/bin").mkdir(parents=True)
    (quick_machine.project / ".venv/bin/python").symlink_to(base_interpreter())
    assert quick_machine.run("--version").code == 0


def test_a_folder_that_was_moved_gets_a_new_environment(machine: Machine) -> None:
    machine.run("--version")
    machine.project = machine.project.rename(machine.project.parent / "moved")
    moved = machine.run("--version")
    assert (moved.code, moved.stdout) == (0, f"ran {machine.project.parent} --version\n")
    assert "making .venv" in moved.stderr


def test_two_starts_at_once_install_once(machine: Machine) -> None:
    os.mkfifo(machine.project / "block")
    first = machine.start("--version")
    with (machine.project / "block").open("w"):
        second = machine.start("--version")
        assert second.stderr is not None
        assert second.stderr.readline() == "hub: another start is installing; waiting for it\n"
    assert finish(first).code == 0
    assert finish(second).code == 0
    assert machine.builds == 1


def test_it_runs_through_a_symbolic_link_from_a_folder_that_cannot_be_written(
    quick_machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    quick_machine.cwd = tmp_path / "closed"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/hub").symlink_to(quick_machine.project / "hub")
    link = Machine(project=tmp_path / "bin", programs=quick_machine.programs, cwd=quick_machine.cwd)
    assert link.run("--version").stdout == f"ran {tmp_path / 'closed'} --version\n"
    assert (quick_machine.project / ".venv").is_dir()


def test_a_shim_that_only_prints_an_error_is_passed_over(quick_machine: Machine) -> None:
    for name in ("python3.13", "python3.12", "python3.11"):
        quick_machine.install(name, 'echo "pyenv: command not found" >&2; exit 127')
    run = quick_machine.run("--version")
    assert run.code == 0
    assert "pyenv" not in run.stderr


def test_a_python_that_can_make_environments_is_preferred_to_one_that_cannot(quick_machine: Machine) -> None:
    bare = quick_machine.install("python3.13", "echo bare 3.13")
    run = quick_machine.run("--version")
    assert run.code == 0
    assert str(bare) not in run.stderr


def test_versions_of_pyenv_are_found_when_its_shims_fail(
    quick_machine: Machine, quick_python: str, tmp_path: Path
) -> None:
    quick_machine.install("python3", "exit 127")
    folder = tmp_path / ".pyenv/versions/3.99/bin"
    folder.mkdir(parents=True)
    quick_machine.install("python3.99", quick_python).rename(folder / "python3")
    run = quick_machine.run("--version")
    assert run.code == 0
    assert str(folder) in run.stderr


def test_a_named_python_that_is_none_is_refused(new_machine: Machine) -> None:
    new_machine.variables["HUB_PYTHON"] = str(new_machine.install("old", "exit 1"))
    run = new_machine.run("--version")
    assert run.code == 1
    assert run.stderr.startswith("hub: HUB_PYTHON=") and "is no Python 3.11 or newer" in run.stderr


def test_an_installation_that_fails_shows_why_and_what_to_do(machine: Machine) -> None:
    (machine.project / "hatch_build.py").write_text("raise RuntimeError('the disk is full')\n")
    run = machine.run("--version")
    assert run.code == 1
    assert "the disk is full" in run.stderr
    assert run.stderr.splitlines()[-1].startswith("hub: The installation failed.")


def test_help_installs_nothing(quick_machine: Machine) -> None:
    run = quick_machine.run("help")
    assert run.code == 0
    assert all(f"./hub {name}" in run.stdout for name in ("test", "bench", "torture"))
    assert not (quick_machine.project / ".venv").exists()
    quick_machine.run("--version")
    assert quick_machine.run("--help").stdout.endswith(f"ran {quick_machine.project.parent} --help\n")


class TestDebian:
    """A machine with apt-get, where packages appear as files when they are installed."""

    @pytest.fixture
    def debian(self, machine: Machine) -> Machine:
        """It has no browser; installing chromium puts one on the PATH."""
        (machine.programs / "google-chrome").unlink()
        folder = machine.programs
        machine.install("dpkg-query", f'for name; do :; done; [ -e "{folder}/.$name" ] && printf installed')
        machine.install(
            "apt-get",
            f'echo "apt-get $*" >> "{folder}/apt.log"\n'
            'case "$*" in *update*) exit 0 ;; esac\n'
            f'for name; do touch "{folder}/.$name"; done\n'
            f'case "$*" in *chromium*) ln -s /bin/true "{folder}/chromium" ;; esac',
        )
        (folder / "ln").symlink_to("/bin/ln")
        return machine

    @pytest.fixture
    def installed(self, debian: Machine) -> Path:
        return debian.programs / "apt.log"

    def test_without_root_and_nobody_to_ask_it_prints_the_line_to_type(self, debian: Machine, installed: Path) -> None:
        run = debian.run("up")
        assert run.code == 1
        assert "Type: sudo apt-get install -y chromium chromium-sandbox fonts-liberation" in run.stderr
        assert len(run.stderr.splitlines()) == 1
        assert not installed.exists()

    def test_as_root_with_nobody_to_ask_it_installs(self, debian: Machine, installed: Path) -> None:
        debian.install("id", "echo 0")
        run = debian.run("up")
        assert (run.code, run.stdout) == (0, f"ran {debian.project.parent} up\n"), run.stderr
        assert "chromium chromium-sandbox" in installed.read_text()
        assert "hub: installing Debian's chromium" in run.stderr

    @pytest.mark.parametrize(
        "command", [["server"], ["--version"], ["agent", "list"], ["up", "--help"], ["agent", "--browser", "/x"]]
    )
    def test_what_needs_no_browser_asks_for_none(self, debian: Machine, installed: Path, command: list[str]) -> None:
        assert debian.run(*command).code == 0
        assert not installed.exists()

    @pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
    def test_at_a_terminal_it_asks(self, debian: Machine, installed: Path, answer: str, code: int) -> None:
        debian.install("sudo", 'case $1 in -v) exit 0 ;; esac; exec "$@"')
        master, slave = pty.openpty()
        os.write(master, answer.encode())
        process = debian.start("up", terminal=slave)
        os.close(slave)
        assert finish(process).code == code
        shown = b""
        while b"install them now? [y/N]" not in shown:
            shown += os.read(master, 4000)  # in pieces; an error once there is no more
        os.close(master)
        assert installed.exists() == (code == 0)

    def test_the_tray_is_wanted_on_a_desktop_only(self, debian: Machine, installed: Path) -> None:
        debian.install("id", "echo 0")
        debian.run("up")
        assert "gir1.2" not in installed.read_text()
        debian.variables["DISPLAY"] = ":7"
        assert "hub: installing Messenger Hub, the tray icon" in debian.run("up").stderr
        assert "gir1.2-ayatanaappindicator3-0.1" in installed.read_text()
        assert debian.run("up").stderr == ""

    def test_a_tray_that_cannot_be_installed_is_told_once_and_all_else_works(self, debian: Machine) -> None:
        debian.install("id", "echo 0")
        debian.variables["DISPLAY"] = ":7"
        with (debian.project / "hatch_build.py").open("a") as file:
            file.write(NO_TRAY_LIBRARIES)
        first = debian.run("up")
        assert (first.code, first.stdout) == (0, f"ran {debian.project.parent} up\n")
        assert "hub: There will be no tray icon; everything else works." in first.stderr
        assert debian.run("up").stderr == "", "it was tried again at the next start"
        with (debian.project / "pyproject.toml").open("a") as file:
            file.write("\n")
        assert "There will be no tray icon" in debian.run("up").stderr, "it was not tried again after a change"

    def test_a_python_that_can_make_no_environment_gets_its_package(self, debian: Machine, installed: Path) -> None:
        python = base_interpreter()
        shutil.rmtree(debian.project / ".venv")
        debian.install("id", "echo 0")
        debian.install(
            "python3",
            f'[ "$1" != -c ] || [ -e "{debian.programs}/.python{VERSION}-venv" ] || {{ echo bare {VERSION}; exit 0; }}\n'
            f'exec "{python}" "$@"',
        )
        debian.variables["HUB_PYTHON"] = str(debian.programs / "python3")
        run = debian.run("--version")
        assert run.code == 0, run.stderr
        assert f"python{VERSION}-venv" in installed.read_text()

    def test_the_tests_get_what_they_need_and_run_in_the_projects_folder(
        self, debian: Machine, installed: Path
    ) -> None:
        debian.install("id", "echo 0")
        (debian.project / "pytest").mkdir()
        (debian.project / "pytest/__init__.py").touch()
        (debian.project / "pytest/__main__.py").write_text(
            "import os, sys, shutil\nprint(os.getcwd(), *sys.argv[1:], shutil.which('messenger-hub'))\n"
        )
        run = debian.run("test", "-k", "a name")
        venv = debian.project / ".venv/bin/messenger-hub"
        assert (
            run.stdout
            == f"{debian.project} --ignore=tests/bench -n 2 --dist loadfile --no-loadscope-reorder -k a name {venv}\n"
        ), run.stderr
        wanted = ("xvfb", "dbus", "nginx-light", "caddy", "nftables", "postgresql", "chromium", "gir1.2-gtk-3.0")
        assert all(package in installed.read_text() for package in wanted)
        assert installed.read_text().count("update") == 1
        assert debian.builds == 1
        assert debian.run("test").stderr == ""

    @pytest.mark.parametrize(("command", "module"), [("bench", "tests/bench"), ("torture", "tests/torture")])
    def test_benchmarks_and_torture_get_what_tests_need_and_all_arguments(
        self, debian: Machine, installed: Path, command: str, module: str
    ) -> None:
        debian.install("id", "echo 0")
        (debian.project / module).mkdir(parents=True)
        (debian.project / module / "__main__.py").write_text("import os, sys\nprint(os.getcwd(), *sys.argv[1:])\n")
        run = debian.run(command, "--minutes", "2", "--seed", "a b")
        assert run.stdout == f"{debian.project} --minutes 2 --seed a b\n", run.stderr
        assert "nginx-light" in installed.read_text()
