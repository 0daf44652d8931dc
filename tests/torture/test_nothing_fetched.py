"""Nothing from a document is fetched, followed or executed: a run with every socket denied is like any other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.run.corpora import tree, write_corpus
from tests.torture.harness import environment, finished, manifest

ORDERS = [{"no_sockets": True}]
TEMPTING = {
    "xinclude.html": """<?xml version="1.0"?><html xmlns:xi="http://www.w3.org/2001/XInclude"><body>
<xi:include href="http://127.0.0.1:9/secret"/><xi:include href="{local}" parse="text"/><p>{story}</p></body></html>""",
    "entity.html": """<!DOCTYPE html [<!ENTITY x SYSTEM "{local}"><!ENTITY y SYSTEM "http://127.0.0.1:9/y">]>
<html><body><p>{story} &x; &y;</p></body></html>""",
    "dtd.xhtml": """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://127.0.0.1:9/xhtml1-strict.dtd">
<html xmlns="http://www.w3.org/1999/xhtml"><body><p>{story}</p></body></html>""",
    "remote.html": """<html><head><base href="http://127.0.0.1:9/"><link rel="stylesheet" href="http://127.0.0.1:9/s.css">
<meta http-equiv="refresh" content="0; url=http://127.0.0.1:9/next"><script src="http://127.0.0.1:9/x.js"></script>
<script>document.write("<p>written by a script</p>")</script></head><body><img src="http://127.0.0.1:9/i.png">
<iframe src="file://{local}"></iframe><object data="http://127.0.0.1:9/o"></object><p>{story}</p></body></html>""",
    "links.md": """---
url: http://127.0.0.1:9/story
include: !include {local}
---
![image](http://127.0.0.1:9/i.png) [[file://{local}]] {{% include "{local}" %}} {story}
""",
    "feed.jsonl": """{{"text": "{story} http://127.0.0.1:9/a", "url": "http://127.0.0.1:9/b", "$ref": "file://{local}"}}""",
}


def write_tempting(folder: Path, secret: Path) -> None:
    """Documents that ask for something to be fetched."""
    write_corpus(folder, seed=9, articles=6)
    secret.write_text("the-secret-of-another-file")
    for number, (name, text) in enumerate(TEMPTING.items()):
        story = " ".join(
            f"Sluice {number}{n} at Garrow was closed in {1950 + 7 * number + n}, and nobody on the quay asked why."
            for n in range(6)
        )
        (folder / name).write_text(text.format(local=secret, story=story), encoding="utf-8")


def test_a_run_without_sockets(tmp_path: Path) -> None:
    """External entities, XInclude, images, scripts, refreshes: no socket is tried, no other file's text comes in."""
    raw, clean, log = tmp_path / "raw", tmp_path / "clean", tmp_path / "tried"
    write_tempting(raw, tmp_path / "secret.txt")
    finished(raw, clean, orders=ORDERS, SABOTAGE_COUNTER=str(log))
    assert not log.exists(), log.read_text()
    found = manifest(clean)
    for name in TEMPTING:
        assert found[name + ("#1" if name.endswith("jsonl") else "")]["status"] == "kept", name
    texts = "".join(path.read_text(encoding="utf-8") for path in (clean / "documents").rglob("*.md"))
    assert "the-secret-of-another-file" not in texts
    assert "written by a script" not in texts
    finished(raw, tmp_path / "free")
    assert tree(clean) == tree(tmp_path / "free")


def test_the_denial_denies(tmp_path: Path) -> None:
    """A process that does try is stopped and leaves its mark: the test above can fail."""
    log = tmp_path / "tried"
    code = "import urllib.request as u\ntry: u.urlopen('http://127.0.0.1:9/')\nexcept Exception as e: print(e)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(ORDERS, SABOTAGE_COUNTER=str(log))
    )
    assert "denied" in done.stdout
    assert "socket." in log.read_text()
