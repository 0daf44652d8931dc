"""Retold and contained documents, and what only looks like them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import Config, Overlap
from pipeline.dedup import compare
from tests.dedup.corpora import find

HARBOUR = """The harbour council of Varno voted on Tuesday to close the eastern quay for repairs.
Engineers had found cracks in the granite pillars that carry the loading crane.
Fishermen fear that the closure will cost them the whole herring season.
Councillor Edda Maron promised that the crane would move to the western quay before the first boats return.
The repairs will swallow 340 thousand crowns, a third of what the town earns from mooring fees.
An older plan to replace the pillars with steel had been rejected because salt water eats unprotected steel.
Merchants at the fish market asked for compensation, which the treasurer refused to discuss.
Divers will inspect the foundations again when the spring tides have passed."""

RETOLD = """On Tuesday the council of Varno decided to close the eastern quay of the harbour while it is repaired.
Cracks have been discovered by engineers in the pillars of granite which carry the crane for loading.
The fishermen are afraid of losing the entire herring season through this closure.
It was promised by councillor Edda Maron that the western quay would receive the crane before the boats return.
Altogether 340 thousand crowns will be swallowed by the repairs, one third of the town's earnings from mooring fees.
Replacing the pillars by steel, an older plan, was rejected since unprotected steel is eaten by salt water.
Compensation was asked for by merchants of the fish market, but the treasurer refused any discussion of it.
Once the spring tides have passed, the foundations will again be inspected by divers."""

OTHER = """The orchard society of Varno met on Sunday to judge the season's pears.
Judges praised a yellow variety that ripens late and keeps until the frost.
Growers complained about wasps, which had hollowed out a quarter of the fruit before it could be picked.
Edda Maron, who chairs the society, handed out nine medals and a copper kettle.
Visitors could taste cider from last year's windfalls in the barn behind the school.
A young pupil won the prize for the heaviest pear, which tipped the scales beyond one kilogram.
Next autumn the society wants to plant a row of medlars along the road to the mill.
Rain had kept many families at home, yet the barn was full by noon."""

NOTICE = """{name} declares a quarterly dividend of {amount} cents for each share of common stock.
The payment goes to all shareholders whose names stand in the register of {name} on {month} 14.
The board of {name} met in its offices and approved the payment without a dissenting vote.
Chairman {chair} said that the company looks back on a solid quarter and expects another one.
Shareholders of {name} who wish to reinvest the money may do so through their usual bank or broker.
Further questions are answered by {chair} at the office of the company on any working day before noon.
The dividend remains unchanged since the last quarter, when {name} paid {amount} cents as well."""


def test_a_retelling_is_an_overlap(tmp_path: Path) -> None:
    """The same report in other words goes under the one that covers it better; a third report stays."""
    found = find([HARBOUR, RETOLD, OTHER], tmp_path)
    assert found.relation.tolist().count(3) == 1
    assert found.canonical[0] == found.canonical[1] != 2
    assert found.canonical[2] == 2
    row = found.evidence.table().to_pylist()[0]
    assert row["why"].startswith("retold:")
    assert row["jaccard"] < 0.2
    assert row["coverage"] >= 0.8 and row["coverage_back"] >= 0.8


def test_the_part_goes_under_the_whole(tmp_path: Path) -> None:
    """A document that stands inside a longer one is contained in it; the longer one is kept, whatever the order."""
    whole = f"{OTHER}\n\n{HARBOUR}"
    for i, texts in enumerate(([HARBOUR, whole], [whole, HARBOUR])):
        found = find(texts, tmp_path / str(i))
        assert found.canonical.tolist() == [texts.index(whole)] * 2
        assert found.evidence.table()["why"].to_pylist()[0].startswith("contained:")


def test_versions_of_one_text_are_related_not_duplicates(tmp_path: Path) -> None:
    """Terms that share most sentences and differ in the others both stay, and are told; the part of one goes."""
    lines, other = HARBOUR.splitlines(), OTHER.splitlines()
    one, two = "\n".join([*lines, *other[:3]]), "\n".join([*lines, *other[4:7]])
    found = find([one, two], tmp_path / "versions")
    assert found.relation.tolist() == [0, 0]
    assert found.related["why"].to_pylist() == ["versions of one text"]
    assert sorted(find([one, HARBOUR], tmp_path / "part").relation.tolist()) == [0, 3]


def test_templates_filled_in_twice_stay_apart(tmp_path: Path) -> None:
    """Notices that differ only in names and numbers are not one text, though most of their words are shared."""
    names = [("Aldane Mills", 12, "March", "Ruth Okoro"), ("Brock & Vane", 35, "April", "Piet Lund")]
    names += [("Corvina", 7, "June", "Ana Silva"), ("Deltor Works", 19, "May", "Ib Krog")]
    texts = [NOTICE.format(name=n, amount=a, month=m, chair=c) for n, a, m, c in names]
    assert (find(texts, tmp_path).relation == 0).all()


def test_little_text_is_never_an_overlap(tmp_path: Path) -> None:
    """A document with fewer words of its own than `own_words` stays, although the other holds all of it."""
    few = " ".join(HARBOUR.splitlines()[:3])
    assert find([few, f"{OTHER}\n\n{HARBOUR}"], tmp_path).relation.tolist() == [0, 0]


def test_sentences_of_a_template_weigh_nothing(tmp_path: Path) -> None:
    """Stubs made of sentences that stand in many documents are not contained in any of them."""
    bodies = [OTHER.replace("pear", f"fruit{i}").replace("Varno", f"Town{i}") for i in range(12)]
    texts = [f"{HARBOUR}\n\n{' '.join(f'w{i}x{k} y{i}z{k}' for k in range(60))}." for i in range(12)] + [HARBOUR]
    found = find(texts + bodies[:0], tmp_path)
    assert found.relation[12] == 0


def test_one_origin_makes_a_candidate_and_is_told(tmp_path: Path) -> None:
    """Documents that declare one origin are compared, and the reason says so."""
    found = find([HARBOUR, RETOLD], tmp_path, origins=["https://varno.example/7", "https://varno.example/7"])
    assert found.evidence.table()["why"].to_pylist()[0].endswith("same declared origin")


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (("340 thousand", "990 thousand"), "990"),
        (("Edda Maron", "Olaf Trygg"), "Olaf"),
    ],
)
def test_compare_tells_what_would_be_lost(change: tuple[str, str], lost: str) -> None:
    """A changed number loses its sentence and is named; a changed name is named."""
    found = compare(HARBOUR.replace(*change), HARBOUR)
    assert lost in (*found.numbers_only_a, *found.names_only_a)
    assert found.jaccard < 1.0
    if lost.isdigit():
        assert [sentence for sentence in found.only_a if lost in sentence]


def test_compare_of_equal_and_of_empty_texts() -> None:
    """Equal texts share everything; with an empty one nothing is shared; neither crashes."""
    same = compare(HARBOUR, HARBOUR)
    assert (same.jaccard, same.coverage_a, same.coverage_b) == (1.0, 1.0, 1.0)
    assert not same.only_a and {sentence.match for sentence in same.sentences_a} == {"same"}
    assert compare("", "").sentences_a == ()
    assert compare(HARBOUR, "").only_a == compare("", HARBOUR).only_b


def test_overlap_can_be_left_out(tmp_path: Path) -> None:
    """With `overlap.find` off, retold documents stay, and near duplicates still go with all their evidence."""
    texts = [HARBOUR, RETOLD, HARBOUR.replace("Varno", "Varna", 1)]
    found = find(texts, tmp_path, Config(overlap=Overlap(find=False)))
    assert sorted(found.relation.tolist()) == [0, 0, 2]
    assert found.evidence.table()["coverage"].to_pylist()[0] > 0.5
