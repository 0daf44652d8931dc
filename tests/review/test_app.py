"""The review app: who may ask, what the pages show, what a form writes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from pipeline.decisions import append_decision, new_decision, read_decisions
from pipeline.errors import RunError
from pipeline.review.app import create_app
from pipeline.review.pages import PAGES
from tests.report.corpus import make_corpus, publish, write_generation
from tests.report.made import make_report

BASE = "http://127.0.0.1:8123"


@pytest.fixture
def clean(tame_clean: Path) -> Iterator[Path]:
    """The shared corpus without decisions."""
    (tame_clean / "decisions.jsonl").unlink(missing_ok=True)
    yield tame_clean
    (tame_clean / "decisions.jsonl").unlink(missing_ok=True)


def open_client(clean: Path) -> TestClient:
    client = TestClient(create_app(clean, "once", who="ann"), base_url=BASE)
    assert client.get("/?token=once").status_code == 200
    return client


@pytest.fixture
def client(clean: Path) -> TestClient:
    return open_client(clean)


def form_token(client: TestClient) -> str:
    page = client.get("/documents").text
    source = re.search(r'href="(/document\?[^"]*)"', page)
    assert source
    found = re.search(r'name="token" value="([^"]+)"', client.get(source[1].replace("&amp;", "&")).text)
    assert found
    return found[1]


def post(client: TestClient, **fields: str) -> int:
    given = {"token": form_token(client), "back": "/decisions"} | fields
    return client.post("/decide", data=given, headers={"Origin": BASE}, follow_redirects=False).status_code


def test_the_link_works_once(clean: Path) -> None:
    """The token of the link opens one session; a second browser with the same link stays out."""
    app = create_app(clean, "once")
    first, second = TestClient(app, base_url=BASE), TestClient(app, base_url=BASE)
    assert first.get("/").status_code == 403
    assert first.get("/?token=wrong").status_code == 403
    answer = first.get("/?token=once", follow_redirects=False)
    assert answer.status_code == 303
    assert "once" not in answer.headers["location"]
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert first.get("/").status_code == 200
    assert second.get("/?token=once").status_code == 403
    assert second.get("/static/review.js").status_code == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8123", 200),
        ("localhost:8123", 200),
        ("LOCALHOST", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8123", 421),
        ("127.0.0.1:8123@evil.example", 421),
        ("localhost:x", 421),
        ("0.0.0.0:8123", 421),
        ("", 421),
    ],
)
def test_only_this_machines_names_are_answered(client: TestClient, host: str, status: int) -> None:
    """Another name in Host, as after DNS rebinding, gets nothing, even with the cookie."""
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    assert client.get("/", headers={"Host": host, "Cookie": cookie}).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "https://127.0.0.1:8123"},
        {"Origin": BASE, "Sec-Fetch-Site": "cross-site"},
        {"Origin": BASE, "Sec-Fetch-Site": "same-site"},
    ],
)
def test_forms_of_other_sites_change_nothing(client: TestClient, clean: Path, headers: dict[str, str]) -> None:
    """Cookie and form token are not enough: the request must come from the app's own pages."""
    fields = {"token": form_token(client), "kind": "reject", "source": read_source(client)}
    assert client.post("/decide", data=fields, headers=headers).status_code == 403
    assert not (clean / "decisions.jsonl").exists()


def read_source(client: TestClient) -> str:
    found = re.search(r'href="/document\?source=([^"&]*)"', client.get("/documents").text)
    assert found
    return found[1].replace("+", "%20")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"token": "", "kind": "reject"}, 403),
        ({"token": "wrong", "kind": "reject"}, 403),
        ({"kind": "burn"}, 400),
        ({"kind": "reject", "source": "no/such.txt"}, 400),
        ({"kind": "not-duplicates"}, 400),
        ({"kind": "keep-line", "scope": "everywhere", "line": ""}, 400),
        ({"kind": "keep-line", "scope": "galaxy", "line": "x"}, 400),
        ({"kind": "undo", "undoes": "nothing"}, 400),
    ],
)
def test_a_form_that_lacks_something_writes_nothing(
    client: TestClient, clean: Path, fields: dict[str, str], status: int
) -> None:
    """A wrong token is refused; a decision about nothing is explained; the file stays as it was."""
    given = {"token": form_token(client), "source": read_source(client)} | fields
    if fields.get("kind") in ("not-duplicates",):
        given.pop("other", None)
    assert client.post("/decide", data=given, headers={"Origin": BASE}).status_code == status
    assert not (clean / "decisions.jsonl").exists()


def test_a_large_or_strange_body_is_refused(client: TestClient, clean: Path) -> None:
    """100 KB of form, JSON, a hundred fields, bytes that are no UTF-8: refused without harm."""
    token = form_token(client)
    head = {"Origin": BASE, "Content-Type": "application/x-www-form-urlencoded"}
    bodies = [
        b"token=" + token.encode() + b"&note=" + b"x" * 200_000,
        b"&".join(b"a=%d" % n for n in range(100)),
        b"\xff",
    ]
    for body in bodies:
        assert client.post("/decide", content=body, headers=head).status_code == 403
    assert client.post("/decide", json={"token": token}, headers={"Origin": BASE}).status_code == 403
    assert not (clean / "decisions.jsonl").exists()


def test_every_answer_carries_the_policy(client: TestClient) -> None:
    """Pages, files, refusals and faults alike: no script but ours, no framing, no sniffing, no caching."""
    answers = [client.get(path) for path in (*PAGES, "/static/review.js", "/nothing", "/document?source=nope")]
    answers.append(client.get("/", headers={"Host": "evil.example"}))
    answers.append(client.put("/decide"))
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/app.py", "/static//etc/passwd"]
)
def test_no_file_but_its_own_is_served(client: TestClient, path: str) -> None:
    """The static files are three; everything else is not there."""
    assert client.get(path).status_code == 404


def test_a_document_outside_clean_is_not_read(tmp_path: Path) -> None:
    """A manifest that names files outside CLEAN, by `..` or by a link, gets no text for them."""
    from pipeline.review.published import Published

    corpus = make_corpus(30, seed=4)
    folder = write_generation(tmp_path / "clean", corpus)
    make_report(folder, corpus)
    secret = tmp_path / "secret.md"
    secret.write_text("do not read this")
    published = Published(tmp_path / "clean")
    kept = [row for row in corpus.tables["manifest"].to_pylist() if row["status"] == "kept"]
    (folder / kept[0]["output"]).unlink()
    (folder / kept[0]["output"]).symlink_to(secret)
    assert published.text(kept[0]["source"]) is None
    with pytest.raises(KeyError):
        published._texts.read(kept[1]["source"], "../../../secret.md", 0)
    assert published.text(kept[1]["source"]) is not None


def test_a_link_out_of_clean_is_no_generation(tmp_path: Path) -> None:
    """`.current` that points elsewhere is refused, with the next step."""
    corpus = make_corpus(5)
    make_report(write_generation(tmp_path / "elsewhere", corpus), corpus)
    (tmp_path / "clean").mkdir()
    (tmp_path / "clean" / ".current").symlink_to(tmp_path / "elsewhere" / ".generations" / "g1")
    with pytest.raises(RunError, match="points out"):
        create_app(tmp_path / "clean", "t")


def test_nothing_published_is_said_plainly(tmp_path: Path) -> None:
    """A folder without a corpus: an error that names the next step."""
    with pytest.raises(RunError, match="clean-corpus RAW"):
        create_app(tmp_path, "t")


def test_a_decision_is_written_shown_as_pending_and_undone(client: TestClient, clean: Path) -> None:
    """Reject: on disk at once, pending on every page; undo takes it back with a line of its own."""
    source = read_source(client)
    assert post(client, kind="reject", source=source, note="spam & <b>worse</b>") == 303
    decided = read_decisions(clean / "decisions.jsonl")
    assert len(decided.rejected()) == 1
    assert decided.all[0].who == "ann"
    page = client.get("/decisions").text
    assert "pending until the next run" in page
    assert "spam &amp; &lt;b&gt;worse" in page
    assert "1 pending" in client.get("/clusters").text
    assert post(client, kind="undo", undoes=decided.all[0].id) == 303
    assert read_decisions(clean / "decisions.jsonl").rejected() == frozenset()
    assert "undone" in client.get("/decisions").text
    assert "1 pending" not in client.get("/clusters").text


def test_every_kind_of_decision_can_be_made(client: TestClient, clean: Path) -> None:
    """Pairs, documents and lines in each scope arrive as the run will read them."""
    page = client.get("/clusters?relation=near").text
    kept = re.search(r'/cluster\?source=([^"&]*)', page)
    assert kept
    inside = client.get(f"/cluster?source={kept[1]}").text
    source = re.search(r'name="source" value="([^"]+)"', inside)
    other = re.search(r'name="other" value="([^"]+)"', inside)
    assert source
    assert other
    pair = {"source": source[1], "other": other[1]}
    for kind in ("not-duplicates", "keep-this"):
        assert post(client, kind=kind, **pair) == 303
    assert post(client, kind="restore", source=pair["source"]) == 303
    about = {"source": pair["source"], "line": quote("Also  Read\n\nShare ‮ this\n")}
    for scope in ("document", "everywhere"):
        assert post(client, kind="keep-line", scope=scope, **about) == 303
    assert post(client, kind="remove-line", scope="everywhere", typed=" One more ") == 303
    decided = read_decisions(clean / "decisions.jsonl")
    names = tuple(sorted(pair.values()))
    assert decided.never_pairs() == {names}
    assert dict(decided.preferred()) == {pair["source"]: 0}
    assert decided.restored() == {pair["source"]}
    assert decided.kept_lines(pair["source"], None) == {"Also Read", "Share ‮ this"}
    assert decided.removed_lines("any", None) == {"One more"}
    assert decided.problems == ()


def test_a_line_on_a_site_needs_a_document_with_a_site(client: TestClient, clean: Path) -> None:
    """Scope `site` takes the site from the manifest, never from the form."""
    about = {"line": "Share", "scope": "site", "kind": "keep-line", "site": "made.up"}
    rows = {bool(row["site"]): row for row in make_corpus(400, seed=5).tables["manifest"].to_pylist()}
    assert post(client, source=quote(rows[False]["source"], safe="/"), **about) == 400
    assert post(client, source=quote(rows[True]["source"], safe="/"), **about) == 303
    assert read_decisions(clean / "decisions.jsonl").all[0].site == rows[True]["site"]


@pytest.mark.parametrize(
    "back",
    [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "/decide",
        "\t//evil.example",
    ],
)
def test_a_form_never_leads_elsewhere(client: TestClient, back: str) -> None:
    """After a decision the browser goes to a page of the app, whatever the form says."""
    fields = {"token": form_token(client), "kind": "reject", "source": read_source(client), "back": back}
    answer = client.post("/decide", data=fields, headers={"Origin": BASE}, follow_redirects=False)
    assert answer.headers["location"] == "/"


def test_a_decision_that_a_run_saw_is_told_with_its_outcome(tmp_path: Path) -> None:
    """What the last report knows took effect or no longer applies; undoing it waits for the next run."""
    corpus = make_corpus(40, seed=6)
    folder = write_generation(tmp_path, corpus)
    decision = new_decision("reject", who="ann", source=corpus.sources[0])
    append_decision(tmp_path / "decisions.jsonl", decision)
    row = {**decision.model_dump(), "state": "not-applicable", "why": "it is gone"}
    make_report(folder, corpus, decisions=[row])
    client = open_client(tmp_path)
    page = client.get("/decisions").text
    assert "no longer applies" in page
    assert "it is gone" in page
    assert "pending until" not in page


def test_a_new_generation_is_noticed(tmp_path: Path) -> None:
    """A run publishes while the app is open: the next page shows the new corpus."""
    first, second = make_corpus(30, seed=7), make_corpus(50, seed=8)
    make_report(write_generation(tmp_path, first, "g1"), first)
    client = open_client(tmp_path)
    assert "30 documents came in" in client.get("/").text
    make_report(write_generation(tmp_path, second, "g2"), second)
    assert "50 documents came in" in client.get("/").text
    publish(tmp_path, "g1")
    shutil.rmtree(tmp_path / ".generations" / "g2")
    assert "30 documents came in" in client.get("/").text


def test_lists_page_and_filter(client: TestClient) -> None:
    """Status, relation, site and words narrow; pages cut; a page too far is the last one."""
    page = client.get("/documents").text
    assert "400 documents" in page
    assert "page 1 of 8" in page
    assert "page 8 of 8" in client.get("/documents?page=999999999").text
    assert "page 1 of 8" in client.get("/documents?page=-1").text
    assert "page 1 of 8" in client.get("/documents?page=٣").text
    assert "1 documents" in client.get("/documents?q=STORY-0000033").text
    failed = client.get("/documents?status=failed").text
    assert "not valid UTF-16" in failed
    assert "No document fits" in client.get("/documents?status=kept&q=nothing+such").text
    assert "No cluster fits" in client.get("/clusters?q=nothing+such").text


def test_a_document_shows_its_changes_in_context(client: TestClient) -> None:
    """A removed line stands struck between the words that stood around it."""
    edits = make_corpus(400, seed=5).tables["edits"].to_pylist()
    source = next(edit["source"] for edit in edits if edit["rule"] == "ad-marker")
    page = client.get("/document", params={"source": source}).text
    assert "<del>" in page
    assert "Keep this line" in page
    assert re.search(r"…[^<]{20,}<del>", page)


def test_what_is_not_there_is_not_found(client: TestClient) -> None:
    """Unknown documents, clusters, rules and pages: 404, never a fault."""
    for path in ("/document?source=x", "/cluster?source=x", "/rule?rule=x", "/related?a=x&b=y", "/x", "/document"):
        assert client.get(path).status_code == 404
