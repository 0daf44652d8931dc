"""docs/flows.md says what can be typed: each of its commands is run, in its order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from tests.flows.follow_page import PAGE, STAY, commands
from tests.flows.isolated import isolated

pytestmark = pytest.mark.xdist_group("flows")


@pytest.mark.torture
def test_the_page_can_be_followed(tmp_path: Path):
    """From a checkout to a nightly run, a Dask cluster and the maintenance flow, on a machine with nothing running."""
    pytest.importorskip("prefect_dask", reason="the extra [dask] is not installed")
    said = isolated("tests.flows.follow_page", tmp_path)
    assert [command for command in commands(PAGE) if command not in said] == []


def test_every_command_that_stays_is_on_the_page():
    """The list of them is not longer than the page."""
    assert [name for name in STAY if not any(name in command for command in commands(PAGE))] == []


@pytest.mark.parametrize("command", [command for command in commands(PAGE) if "-m flows." in command])
def test_its_options_exist(command: str):
    """`python -m flows.…` takes the arguments that the page gives it."""
    import importlib

    module, arguments = re.fullmatch(r"\S+ -m (flows\.\w+) (.*)", command).groups()
    main = importlib.import_module(module).main
    main.make_context(module, shlex.split(arguments))


@pytest.mark.parametrize("module", ["flows.clean", "flows.deploy", "flows.maintenance"])
def test_every_option_it_names_exists(module: str):
    """An option in the page's text is an option of one of its commands, and each flow's own options are on the page."""
    import importlib

    def options(name: str) -> set[str]:
        main = importlib.import_module(name).main
        return {word for option in main.params if isinstance(option, click.Option) for word in option.opts}

    everywhere = set().union(*(options(name) for name in ("flows.clean", "flows.deploy", "flows.maintenance")))
    ours = re.sub(r"(?m)^ +ray start.*$", "", PAGE)
    foreign = {"--host", "--port", "--nanny", "--nthreads", "--pool", "--type", "--all", "--watch", "--no-prompt"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", ours)) <= everywhere | foreign
    own = options(module) - options("flows.clean") if module != "flows.clean" else {"--where", "--address", "--approve"}
    assert {name for name in own if name.startswith("--")} <= set(re.findall(r"--[a-z-]+", PAGE)) | {"--help"}
