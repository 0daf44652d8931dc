"""What a newcomer installs and what the repository may hold."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
needs_clone = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="not a git checkout"
)

# Spelled so that this file does not match itself. Any of these in a tracked file is a leak.
LEAKS = {
    "a path of a build machine": r"/(wor[k]|far[m]|hom[e]/[a-z]+|roo[t])/|/tmp/(bas[h]_|helper[s])",
    "a package index": r"py[p]i\.org|pythonhoste[d]\.org|registry\.npm[j]s|index-ur[l]|find-link[s]|artifactor[y]",
    "a resolved download": r"\"?resolve[d]\"?: *\"?http|registry *= *\"http|url *= *\"https?://[^\"]*\.(whl|tar\.g[z])",
}


def copied(tmp_path: Path) -> Path:
    """A folder with what `make` reads, and a `.venv` that says it is installed."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
        os.utime(tmp_path / name, (1_000_000_000, 1_000_000_000))
    (tmp_path / ".venv").mkdir()
    for stamp in (".made", ".installed", ".installed-test"):
        (tmp_path / ".venv" / stamp).touch()
    return tmp_path


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, check=False, env=os.environ | environment
    )


def test_every_dependency_is_pinned_within_its_bounds():
    """Each dependency of each extra has a pin, and the pin meets the bound in pyproject.toml."""
    pins: dict[str, list[Requirement]] = {}
    for line in PINS:
        pins.setdefault(canonicalize_name(Requirement(line).name), []).append(Requirement(line))
    for line in REQUIREMENTS:
        wanted = Requirement(line)
        assert canonicalize_name(wanted.name) in pins, f"{wanted.name} has no pin: run `make constraints`"
        for pin in pins[canonicalize_name(wanted.name)]:
            (version,) = [clause.version for clause in pin.specifier]
            assert wanted.specifier.contains(version), f"{pin} is outside {wanted}: run `make constraints`"


def test_pins_name_packages_only():
    """A pin is a name, one version and perhaps a marker: no address, no option, no extra (old pip refuses those)."""
    for line in PINS:
        pin = Requirement(line)
        assert pin.url is None, line
        assert not pin.extras, line
        assert [clause.operator for clause in pin.specifier] == ["=="], line


def test_known_traps_are_avoided():
    """The bounds that keep Prefect's server alive and lxml's cleaner installed are declared by ourselves."""
    declared = {canonicalize_name(Requirement(line).name): Requirement(line) for line in PROJECT["dependencies"]}
    assert "lxml-html-clean" in declared
    assert not declared["fastapi"].specifier.contains("0.153.0")
    assert not declared["sqlalchemy"].specifier.contains("2.1.0")


@needs_make
def test_make_help_lists_every_command():
    """`make help` explains each target that a person may call."""
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert phony is not None
    listed = re.findall(r"^ +make (\S+)", make(ROOT, "help").stdout, re.M)
    assert sorted(listed) == sorted(phony[1].split())


@needs_make
def test_a_second_make_installs_nothing(tmp_path: Path):
    """With the stamps in place `make demo` goes straight to the command; new dependencies make them stale."""
    folder = copied(tmp_path)
    assert "pip install" not in make(folder, "-n", "demo").stdout
    os.utime(folder / "pyproject.toml")
    (folder / ".venv" / ".installed").touch()
    os.utime(folder / ".venv" / ".installed", (1_100_000_000, 1_100_000_000))
    assert "pip install" in make(folder, "-n", "demo").stdout


@needs_make
def test_an_old_python_is_refused_in_one_line(tmp_path: Path):
    """Without Python 3.11 `make` says so and what to do, in one line before make's own."""
    folder = copied(tmp_path)
    shutil.rmtree(folder / ".venv")
    old = folder / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    done = make(folder, "demo", f"PYTHON={old}")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr.splitlines()[0]
    assert not (folder / ".venv").exists()


@needs_clone
@pytest.mark.parametrize("what", LEAKS)
def test_the_repository_names_no_machine_and_no_index(what: str):
    """No tracked file holds a path of a build machine or the address of a package index."""
    found = subprocess.run(
        ["git", "-c", "safe.directory=*", "grep", "-nIE", LEAKS[what], "--", "."],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 1, f"{what}:\n{found.stdout}{found.stderr}"


@needs_clone
def test_clean_is_ignored_but_for_its_keeper():
    """What a run writes never enters the repository, and the empty folder does."""
    tracked = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "clean", ".venv"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert tracked == ["clean/.gitkeep"]
