"""The pages cannot drift: options, keys, dependencies, links and commands are compared with the code."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement

from pipeline.cli import main
from pipeline.config import STAGES, Config

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")]


def options(command: click.Command) -> set[str]:
    """Every long option of a command, `--no-…` forms included."""
    return {
        name
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }


EVERY = {"--help", *options(main)}.union(*(options(command) for command in main.commands.values()))


def named(text: str) -> set[str]:
    """The options that a page names in code: `--threshold FLOAT`."""
    return {name for code in re.findall(r"`([^`\n]+)`", text) for name in re.findall(r"(?<!\S)--[a-z][a-z-]+", code)}


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_option_is_documented(name: str):
    """An option that the command line takes stands in docs/configuration.md."""
    assert name in named(CONFIGURATION)


def test_the_readme_names_the_options_of_a_run():
    """The README's table has every option of the default command."""
    assert options(main.commands["run"]) - named(README) == set()


@pytest.mark.parametrize("page", ["README.md", "docs/configuration.md"])
def test_no_page_names_an_option_that_is_gone(page: str):
    """What a page calls an option of clean-corpus, clean-corpus takes."""
    rows = re.findall(r"^\| (`--.*?) \|", (ROOT / page).read_text(encoding="utf-8").replace("\\|", "¦"), re.M)
    assert named("\n".join(rows)) - EVERY == set()


def test_every_key_of_the_configuration_is_documented():
    """docs/configuration.md holds the tables that the model makes."""
    made = subprocess.run(
        [sys.executable, "docs/configuration_table.py"],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True,
    ).stdout.strip()  # fmt: skip
    held = CONFIGURATION.split("<!-- tables: begin -->")[1].split("<!-- tables: end -->")[0].strip()
    assert held == made, "run: python docs/configuration_table.py --write"


def test_every_key_says_what_it_means():
    """No setting is without a description: --help, the page and the Prefect form all show it."""
    silent = [name for name, field in Config.model_fields.items() if field.description is None]
    sections = {name: getattr(Config(), name) for name in silent}
    missing = [
        f"{name}.{key}"
        for name, section in sections.items()
        for key, field in type(section).model_fields.items()
        if not field.description
    ]
    assert missing == []


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_in_the_readme(stage: str):
    """A reader can find out which stages there are."""
    assert f"`{stage}`" in README


def test_every_dependency_has_its_reason():
    """docs/dependencies.md has one line for each dependency, and none for what is gone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    declared = {Requirement(line).name for line in [*project["dependencies"], *extras]}
    page = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| (?:`[a-z0-9]+` \| |\| )?`([\w-]+)` \| \S", page, re.M))
    assert told == declared


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    """A relative link in a page names a file that exists."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.S)
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


def blocks(language: str) -> list[str]:
    """The README's fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


def commands(block: str) -> list[str]:
    """The lines of a console block that a person types, without the prompt."""
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample corpus, where the README's commands have been run, in their order."""
    place = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "raw", place / "raw")
    for block in blocks("console"):
        for line in commands(block):
            words = shlex.split(line, comments=True)
            if words[0] != "clean-corpus" or words[1] == "review":
                continue
            said = subprocess.run(
                [Path(sys.executable).parent / words[0], *words[1:]],
                cwd=place, capture_output=True, text=True, encoding="utf-8", check=False,
            )  # fmt: skip
            assert said.returncode == 0, f"{line}\n{said.stderr}"
            (place / ("said-" + re.sub(r"\W+", "-", line))).write_text(said.stdout, encoding="utf-8")
    return place


def without_times(text: str) -> str:
    """Text with its seconds and the count of characters left, which every better rule changes, made equal."""
    text = re.sub(r"[\d,]+ left \(\d+%\)", "N left", re.sub(r"\d+\.\d+ s\b", "N s", text))
    return re.sub(r" +", " ", text).strip()


def test_the_readme_shows_what_the_demo_says(folder: Path):
    """The output below `make demo` in the README is what the command prints today."""
    (shown,) = [block for block in blocks("console") if block.startswith("$ make demo")]
    said = (folder / "said-clean-corpus-raw-clean-").read_text(encoding="utf-8")
    assert without_times(said) in without_times(shown)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^\$ make ([a-z]+)", README, re.M))))
def test_the_readmes_make_targets_exist(target: str):
    """`make` knows each target that the README names."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_the_readmes_recipes_run(folder: Path, number: int):
    """Each Python recipe runs on the corpus that the README's commands made, where its library is installed."""
    code = blocks("python")[number]
    for module in re.findall(r"^(?:import|from) (\w+)", code, re.M):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
