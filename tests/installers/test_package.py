"""The packaged app, built as `./hub package` builds it, on a machine where no Python is to be found."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import installers.__main__ as installers
from installers.requirements import unrequired_modules
from tests.e2e.whole_way.world import discard_profiles

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
SECONDS = 120


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the app; its Debian package lies beside it."""
    target = tmp_path_factory.mktemp("dist")
    assert installers.main([str(target)]) == 0
    return target / "messenger-hub"


@pytest.fixture(scope="module")
def package(built: Path) -> Path:
    (found,) = built.parent.glob("*.deb")
    return found


def without_python(command: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Runs it where every Python of this machine, and this project, are covered up."""
    folders = {Path(sys.base_prefix) / "lib", Path(sys.prefix) / "lib", ROOT, *Path("/usr/lib").glob("python3*")}
    programs = {
        path.resolve() for path in (*Path(sys.base_prefix, "bin").glob("python3*"), *Path("/usr/bin").glob("python3*"))
    }
    keep = {Path("/usr/lib"), Path("/usr/local/lib")}  # Debian's libraries, which are not Python's
    wanted = {one for one in folders - keep if one.is_dir()}
    outermost = [one for one in sorted(wanted) if wanted.isdisjoint(one.parents)]
    hiding = [f"mount -t tmpfs none {shlex.quote(str(one))}" for one in outermost]
    hiding += [f"mount --bind /bin/false {shlex.quote(str(one))}" for one in sorted(programs) if one.exists()]
    environment = (
        f"env -i HOME={shlex.quote(str(home))} TMPDIR={shlex.quote(str(home))} PATH=/usr/bin:/bin LANG=C.UTF-8"
    )
    script = f"{'; '.join(hiding)}; cd /; ! python3 -c 1 2>/dev/null || exit 99; exec {environment} {command}"
    own_users = [] if os.getuid() == 0 else ["--map-root-user"]
    words = ["unshare", "--mount", *own_users, "sh", "-c", script]
    return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)


def test_the_packaged_app_sends_a_message_the_whole_way_without_a_python(built: Path, tmp_path: Path) -> None:
    demo = without_python(f"{built / 'messenger-hub'} demo --once", tmp_path)
    discard_profiles(tmp_path)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "The phone network's log has it, once" in demo.stdout + demo.stderr


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        installers.main([str(tmp_path / "file")])
    assert f"{tmp_path / 'file'} cannot be written (File exists): name another folder." in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "command", ["--version", "--help", *(f"{verb} --help" for verb in ("up", "agent", "join", "server", "restore"))]
)
def test_the_packaged_app_tells_about_itself(built: Path, tmp_path: Path, command: str) -> None:
    told = without_python(f"{built / 'messenger-hub'} {command}", tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert "messenger-hub" in told.stdout


ASKED_OF_LIBRARIES = """
import phonenumbers
from messenger_hub_server.console.words import LANGUAGES, translations
from rich.console import Console

for region in phonenumbers.SUPPORTED_REGIONS:
    written = phonenumbers.national_significant_number(phonenumbers.example_number(region))
    assert phonenumbers.is_valid_number_for_region(phonenumbers.parse(written, region), region), region
for language in LANGUAGES:
    print(translations(language).gettext("Waiting"))
try:
    1 / 0
except ZeroDivisionError:
    Console().print_exception()
"""


def test_the_package_holds_what_we_use_of_libraries_that_are_left_out_in_part(built: Path, tmp_path: Path) -> None:
    (tmp_path / "ask.py").write_text(ASKED_OF_LIBRARIES)
    told = without_python(f"{built / 'messenger-hub'} -I -S {shlex.quote(str(tmp_path / 'ask.py'))}", tmp_path)
    assert (told.returncode, told.stderr) == (0, ""), told.stderr
    assert told.stdout.splitlines()[:3] == ["Waiting", "Na fila", "En cola"]
    assert "ZeroDivisionError: division by zero" in told.stdout


def test_what_only_the_tests_require_is_no_module_of_the_app() -> None:
    unrequired = unrequired_modules("messenger-hub", ("agent", "tray", "postgresql"))
    assert {"pytest", "hypothesis", "mypy", "PyInstaller", "pydantic"} <= set(unrequired)
    # Its own, one of an extra, one that another requires, and one that a distribution shares with some that are not required.
    assert {"aiohttp", "asyncpg", "yarl", "google"}.isdisjoint(unrequired)


def test_a_browser_of_the_system_does_not_get_the_packages_libraries(built: Path, tmp_path: Path) -> None:
    (tmp_path / "browser.py").write_text("import os; print(os.environ.get('LD_LIBRARY_PATH'))")
    words = [built / "messenger-hub", "-I", "-S", tmp_path / "browser.py"]
    told = subprocess.run(words, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    assert told.stdout == "None\n"


def test_the_debian_package_holds_the_app_its_menu_entry_and_its_links(package: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    share = tmp_path / "usr/share"
    entries = sorted((share / "applications").glob("*.desktop"))
    assert subprocess.run(["desktop-file-validate", *entries], capture_output=True, text=True, check=True).stdout == ""
    assert "MimeType=x-scheme-handler/messenger-hub;" in "".join(entry.read_text() for entry in entries)
    assert (share / "icons/hicolor/scalable/apps/messenger-hub.svg").read_text().startswith("<svg")
    assert (tmp_path / "usr/bin/messenger-hub").readlink() == Path("/opt/messenger-hub/messenger-hub")
    told = subprocess.run(
        [tmp_path / "opt/messenger-hub/messenger-hub", "--version"], capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith("messenger-hub ")


def test_everybody_may_read_the_package_and_only_root_owns_it(package: Path) -> None:
    listed = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in listed.splitlines()]
    assert {line[1] for line in lines} == {"root/root"}
    assert all(line[0][7] == "r" and (line[0][0] != "d" or line[0][9] == "x") for line in lines)
