"""report.json: every number can be added up from the tables, and nothing but the tables and the facts is in it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report import Passage, display, page, risk, summary
from pipeline.report.clusters import SHOWN_CLUSTERS
from pipeline.report.sides import fold
from pipeline.report.tables import Sources, Table
from pipeline.report.times import render_times
from tests.report.corpus import Corpus, make_corpus, write_generation
from tests.report.made import facts, make_report

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return make_corpus(700, seed=11)


@pytest.fixture(scope="module")
def made(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = write_generation(tmp_path_factory.mktemp("clean"), corpus, rows_in_group=100)
    return folder, make_report(folder, corpus)


def test_documents_add_up(made: tuple[Path, dict], corpus: Corpus) -> None:
    """In = kept + duplicate + rejected + failed, as the manifest says, and relations add up to duplicates."""
    documents = made[1]["documents"]
    status = Counter(corpus.tables["manifest"]["status"].to_pylist())
    assert documents["in"] == 700
    assert {name: documents[name] for name in status} == dict(status)
    assert sum(documents["duplicates"].values()) == documents["duplicate"]


def test_removed_characters_add_up_by_rule_site_and_language(made: tuple[Path, dict], corpus: Corpus) -> None:
    """The same total three times: by rule, by site, by language; and it is what edits.parquet says."""
    removed = made[1]["removed"]
    rows = corpus.tables["edits"].to_pylist()
    total = sum(len(row["before"]) - len(row["after"]) for row in rows if row["action"] != "flagged")
    assert removed["characters"] == total
    for name in ("by_rule", "by_site", "by_language"):
        assert sum(row["removed"] for row in removed[name]) == total
    assert removed["edits"] == len(rows)


def test_documents_of_a_rule_count_once(made: tuple[Path, dict], corpus: Corpus) -> None:
    """A rule's documents are counted once each, also when batches cut a document in two."""
    rows = corpus.tables["edits"].to_pylist()
    wanted = Counter((stage, rule) for stage, rule, _ in {(r["stage"], r["rule"], r["source"]) for r in rows})
    assert {(r["stage"], r["rule"]): r["documents"] for r in made[1]["removed"]["by_rule"]} == dict(wanted)


def test_batches_do_not_change_the_totals(made: tuple[Path, dict], monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven rows at a time or all at once: the same totals, the same examples."""
    folder = made[0]
    sources = Sources(Table(folder / "manifest.parquet").column("source"))
    whole = summary.add_up_edits(Table(folder / "edits.parquet"), sources)
    monkeypatch.setattr("pipeline.report.tables.BATCH_ROWS", 7)
    cut = summary.add_up_edits(Table(folder / "edits.parquet"), sources)
    assert cut.rules == whole.rules
    assert (cut.by_document == whole.by_document).all()


def test_examples_stand_in_their_context(made: tuple[Path, dict], corpus: Corpus) -> None:
    """An example's left and right are the text that its stage saw, not the final text."""
    by_rule = {row["rule"]: row for row in made[1]["removed"]["by_rule"]}
    for rule in ("ad-marker", "double-stop"):
        shown = [example for example in by_rule[rule]["examples"] if example["left"]]
        assert shown, rule
        for example in shown:
            final = corpus.text_of(example["source"])
            assert example["left"][-20:] in final or "\n\n" in example["left"]
            assert example["before"] in ("Advertisement\n\n", "..")


def test_examples_are_spread_over_sites(made: tuple[Path, dict]) -> None:
    """Six examples do not all come from one site."""
    for row in made[1]["removed"]["by_rule"]:
        if row["rule"] == "double-stop":  # made for one site only
            continue
        assert len({example["site"] for example in row["examples"]}) > 1, row["rule"]


def test_riskiest_clusters_come_first(made: tuple[Path, dict]) -> None:
    """Risk never rises down the list; numbers of the dropped text stand first, exact copies last."""
    clusters = made[1]["clusters"]
    assert [c["risk"] for c in clusters] == sorted((c["risk"] for c in clusters), reverse=True)
    assert clusters[0]["members"][0]["lost_numbers"]
    assert {m["relation"] for m in clusters[-1]["members"]} == {"exact"}


def test_what_you_would_lose_is_whole(made: tuple[Path, dict]) -> None:
    """The side-by-side view marks exactly the sentences that evidence says are lost."""
    for cluster in made[1]["clusters"][:20]:
        member = cluster["members"][0]
        marked = [p["text"] for p in member["sides"]["dropped"] if p.get("shared") is False]
        assert len(marked) == member["lost_sentence_count"]
        assert set(marked) == set(member["lost_sentences"])
        assert member["sides"]["whole"]


def test_the_report_fits_its_schema(made: tuple[Path, dict]) -> None:
    """report.json is what docs/report.schema.json promises, and the schema is a schema."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads((made[0] / "report.json").read_text(encoding="utf-8")), SCHEMA)


def test_the_schema_says_no(made: tuple[Path, dict]) -> None:
    """A report without its counts, or of another version, does not fit."""
    for change in ({"documents": {}}, {"schema_version": 2}, {"clusters": [{}]}, {"surprise": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**made[1], **change}, SCHEMA)


def test_an_empty_corpus_has_a_report(tmp_path: Path) -> None:
    """No documents at all: a report that says so, and fits the schema."""
    corpus = make_corpus(1)
    corpus.tables = {name: table.slice(0, 0) for name, table in corpus.tables.items()}
    folder = write_generation(tmp_path, corpus)
    report = make_report(folder, corpus, recall=None, changes=None, decisions=[], gates={})
    jsonschema.validate(report, SCHEMA)
    assert "No documents came in" in (folder / "report.html").read_text(encoding="utf-8")


def test_two_runs_give_the_same_bytes(corpus: Corpus, tmp_path: Path) -> None:
    """Same tables, same facts: same report.json and report.html, whatever the row groups."""
    files = []
    for name, rows in (("a", 100), ("b", 100)):
        folder = write_generation(tmp_path / name, corpus, rows_in_group=rows)
        make_report(folder, corpus)
        files.append([(folder / f"report.{kind}").read_bytes() for kind in ("json", "html")])
    assert files[0] == files[1]


def test_a_text_that_is_gone_leaves_the_report_whole(corpus: Corpus, tmp_path: Path) -> None:
    """Where no text can be had (a dry run), the report has no contexts but is a report."""
    from pipeline.report import write_report
    from tests.report.made import compare

    def none(source: str) -> str:
        raise KeyError(source)

    report = write_report(write_generation(tmp_path, corpus), facts(), none, compare)
    jsonschema.validate(report, SCHEMA)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"lost_numbers": []}, {"lost_numbers": ["7"]}),
        ({"lost_names": []}, {"lost_names": ["Oyelaran"]}),
        ({"jaccard": 0.95}, {"jaccard": 0.81}),
        ({"kept": 1000.0}, {"kept": 500.0}),
        ({"size": 2.0}, {"size": 40.0}),
        ({"lost_names": ["Oyelaran"]}, {"lost_numbers": ["7"]}),
        ({"relation": "exact", "lost_numbers": ["7"]}, {"lost_numbers": ["7"]}),
    ],
)
def test_risk_rises_with(better: dict, worse: dict) -> None:
    """Numbers, names, thin evidence, a shorter kept text and a large cluster each raise the risk; exact ones do not."""

    def of(**changed: object) -> float:
        row = {
            "relation": "near",
            "jaccard": 0.9,
            "coverage": 0.95,
            "coverage_back": 0.95,
            "lost_numbers": [],
            "lost_names": [],
        }
        row |= {name: value for name, value in changed.items() if name in row}
        strings = pa.list_(pa.string())
        table = pa.table({name: pa.array([value], strings if "lost" in name else None) for name, value in row.items()})
        kept, size = (np.array([changed.get(name, default)]) for name, default in (("kept", 1000.0), ("size", 2.0)))
        limits = {"jaccard": 0.8, "coverage": 0.8, "contained": 0.9}
        return float(risk.score(table, kept, np.array([1000.0]), size, limits)[0])

    assert of(**better) < of(**worse)


@pytest.mark.parametrize("limit", [1.0, 0.5])
def test_a_threshold_of_one_is_no_error(limit: float) -> None:
    """Nothing divides by the room between the threshold and 1."""
    one = np.array([1.0])
    limits = {"jaccard": limit, "coverage": limit, "contained": limit}
    assert risk.evidence_gap(["near"], one, one, one, limits).tolist() == [0.0]


def test_folding_keeps_all_that_is_not_shared() -> None:
    """Shared runs fold; what stands alone keeps one neighbour on each side."""
    passages = [Passage(str(n), n not in (5, 9)) for n in range(12)]
    folded, whole = fold(passages, 1000)
    assert whole
    assert [piece.get("gap") or piece["text"] for piece in folded] == [4, "4", "5", "6", 1, "8", "9", "10", 1]
    folded, whole = fold([Passage("x" * 100, False)] * 5, 150)
    assert not whole
    assert folded[-1] == {"cut": 3}


@given(st.text())
def test_visible_leaves_nothing_that_hides(text: str) -> None:
    """No bidi control, no control character but tab and line feed, survives; a second time changes nothing."""
    shown = display.visible(text)
    assert not any(0x202A <= ord(c) <= 0x202E or 0x2066 <= ord(c) <= 0x2069 for c in shown)
    assert not any(ord(c) < 0x20 and c not in "\t\n" for c in shown)
    assert display.visible(shown) == shown


@given(st.text())
def test_script_json_reads_back(text: str) -> None:
    """What stands in the page is JSON for the same value, without a character that HTML knows."""
    shown = display.script_json({"x": text})
    assert not set(shown) & set("<>&")
    assert json.loads(shown) == {"x": text}


def test_the_page_never_sees_raw_strings(hostile_clean: Path) -> None:
    """No document's string stands in report.html as HTML, and its policy allows no script but its own."""
    html = (hostile_clean / "report.html").read_text(encoding="utf-8")
    assert "<script>window" not in html
    assert 'onerror="window' not in html
    assert "\u202e" not in html
    assert html.count("<script") == 2
    assert "unsafe" not in html.split("</head>")[0].split("<style>")[0]


def test_times_are_a_page_of_their_own() -> None:
    """Seconds by pass in their order, stages the slowest first; never in the report."""
    html = render_times({"seconds": {"plan": 1.5, "clean": 2.25}, "stage_seconds": {"markup": 0.5, "<b>": 3.0}})
    assert html.index("plan") < html.index("2.25") < html.index("&lt;b&gt;") < html.index("markup")
    assert "No times" in render_times({})


def test_the_answers_do_not_alarm_without_reason(made: tuple[Path, dict]) -> None:
    """A corpus without losses gets a calm answer, one with losses says how many."""
    report = made[1]
    assert "sentences that the kept one lacks" in page.answers(report)[0]["text"]
    calm = {**report["merging"], "sentences_lost": 0, "risky": 0}
    told = page.answers({**report, "merging": calm, "documents": {**report["documents"], "failed": 0, "rejected": 0}})
    assert [answer["level"] for answer in told] == ["good", "good", "plain"]


def test_only_the_riskiest_are_in_the_page(tmp_path: Path) -> None:
    """Beyond 500 clusters the report holds the riskiest 500 and stays under 3 MB."""
    corpus = make_corpus(6000, seed=2)
    folder = write_generation(tmp_path, corpus)
    report = make_report(folder, corpus)
    assert report["merging"]["clusters"] > SHOWN_CLUSTERS == len(report["clusters"])
    assert (folder / "report.html").stat().st_size < 3_000_000


def test_rows_are_found_by_name_in_any_order() -> None:
    """Names are found whatever their order, missing ones are -1, doubles find the first row."""
    names = pa.array(["b", "a#10", "a#2", "é", "a"])
    index = Sources(names)
    assert index.rows(pa.array(["a#2", "zzz", "b", "b", "a", ""])).tolist() == [2, -1, 0, 0, 4, -1]
    assert [index.row(name) for name in ("é", "nope")] == [3, None]
    many = pa.array([f"n{n}" for n in range(3000)])  # far apart: looked up one by one
    assert Sources(many).rows(pa.array(["n2999", "n0", "x", "n2999", "n77"])).tolist() == [2999, 0, -1, 2999, 77]


def test_rows_are_found_by_statistics(tmp_path: Path) -> None:
    """`where` finds every row of a value, also when row groups' names overlap or are very long."""
    names = [f"{'x' * 200}{n % 7}" for n in range(100)] + ["a", "~"]
    pq.write_table(pa.table({"source": names}), tmp_path / "t.parquet", row_group_size=9)
    table = Table(tmp_path / "t.parquet")
    for wanted in ("a", "~", names[3], "nope"):
        assert table.where("source", wanted).tolist() == [n for n, name in enumerate(names) if name == wanted]
