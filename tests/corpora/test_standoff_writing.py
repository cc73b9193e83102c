import pytest

from clinical_ie.brat import Note, Standoff
from clinical_ie.corpora.standoff_reading import LinkSettings, note_to_annotations
from clinical_ie.corpora.standoff_writing import annotations_to_standoff, edit_standoff
from clinical_ie.doc import Annotations, Link, Mention

TEXT = "Aspirin caused rash.\nIt was stopped."
CHAIN = (
    "T1\tDrug 0 7\tAspirin\nT2\tADE 15 19\trash\nE1\tHarm:T2\nE2\tHarm:E1\n"
    "A1\tNegated E2\n#1\tAnnotatorNotes A1\twhy\nR1\tADE-Drug Arg1:E2 Arg2:T1\n"
)
TWICE = "T1\tDrug 0 7\tAspirin\nT1\tADE 15 19\trash\nR1\tX Arg1:T1 Arg2:T1\nR1\tY Arg1:T1 Arg2:T1\n"


def read(ann: str) -> tuple[Standoff, Annotations]:
    standoff = Standoff.parse(ann)
    return standoff, note_to_annotations(Note("n", TEXT, standoff, []))[0]


def edited(ann: str, new: Annotations) -> str:
    standoff = Standoff.parse(ann)
    edit_standoff(standoff, new, TEXT, TEXT, LinkSettings())
    return str(standoff)


def test_events_of_events_are_seen_through():
    _, old = read(CHAIN)
    bare = [mention._replace(attributes=()) for mention in old.mentions]
    assert edited(CHAIN, old) == CHAIN
    assert edited(CHAIN, Annotations(bare, old.links)) == CHAIN.replace(
        "A1\tNegated E2\n#1\tAnnotatorNotes A1\twhy\n", ""
    )
    assert edited(CHAIN, Annotations(old.mentions)) == CHAIN.replace(
        "R1\tADE-Drug Arg1:E2 Arg2:T1\n", ""
    )


def test_of_two_mentions_with_one_id_either_can_go():
    _, old = read(TWICE)
    first, second = old.mentions
    lines = TWICE.splitlines(keepends=True)
    assert edited(TWICE, old) == TWICE
    assert edited(TWICE, Annotations([first], old.links)) == lines[0] + lines[2] + lines[3]
    assert edited(TWICE, Annotations([second])) == lines[1]
    assert edited(TWICE, Annotations(old.mentions, old.links[1:])) == "".join(lines[:2] + lines[3:])


def test_a_second_mention_with_an_id_gets_its_own_once_it_is_named():
    _, old = read(TWICE)
    links = [*old.links, Link("Z", "T1~2", "T1")]
    ann = edited(TWICE, Annotations(old.mentions, links))
    assert ann == TWICE.replace("T1\tADE", "T2\tADE") + "R2\tZ Arg1:T2 Arg2:T1\n"


def test_what_a_mention_got_is_written():
    ann = "T1\tDrug 0 7\tAspirin\nA1\tNegated T1\n"
    _, old = read(ann)
    new = old.mentions[0]._replace(
        attributes=(("Negated", ""), ("Certainty", "low")),
        normalizations=(("Reference", "RxNorm:1191", "aspirin"),),
        comments=(("AnnotatorNotes", "sure"),),
    )
    assert edited(ann, Annotations([new])) == (
        ann + "A2\tCertainty T1 low\nN1\tReference T1 RxNorm:1191\taspirin\n"
        "#1\tAnnotatorNotes T1\tsure\n"
    )


def test_piles_and_chains_take_no_longer_than_their_lines():
    n = 8_000
    ann = "T1\tDrug 0 7\tAspirin\n" + "".join(f"E{i}\tX:E{i + 1}\n" for i in range(n))
    ann += f"E{n}\tX:T1\n" + "".join(f"A{i}\tNegated E{i}\n" for i in range(n))
    ann += "".join(f"R{i}\tX Arg1:E{i} Arg2:T1\n" for i in range(n))
    ann += "*\tEquiv " + " ".join(f"E{i}" for i in range(n)) + "\n"
    _, old = read(ann)
    assert (len(old.mentions[0].attributes), len(old.links)) == (n, n)
    assert edited(ann, old) == ann
    assert edited(ann, Annotations()) == ""


def test_a_short_line_over_a_long_text_is_not_compared_with_all_of_it():
    text = "a " * 200_000
    lines = [f"T{i}\tDrug 0 400000\ta{i}\n" for i in range(1, 2_001)]
    note = Note("n", text, Standoff.parse("".join(lines)), [])
    annotations, problems = note_to_annotations(note)
    assert annotations.mentions == []
    assert len(problems) == 2_000


def test_what_names_an_id_means_the_first_line_that_fits_the_text():
    ann = "T4\tADE 0 7\tfever\nT4\tADE 8 14\tcaused\nT4\tADE 15 19\trash\nA1\tNeg T4\n"
    lines = ann.splitlines(True)
    _, annotations = read(ann)
    first, second = annotations.mentions
    assert edited(ann, Annotations([second])) == lines[0] + lines[2]
    assert edited(ann, Annotations([first])) == lines[0] + lines[1] + lines[3]


def test_a_new_file_is_checked_as_a_whole(monkeypatch: pytest.MonkeyPatch):
    mentions = [Mention("x", "Drug", ((0, 7),)), Mention("y", "ADE", ((8, 14), (15, 19)))]
    annotations = Annotations(mentions, [Link("ADE-Drug", "y", "x")])
    one_by_one = Standoff()
    one_by_one.add_textbound("Drug", ((0, 7),), "Aspirin")
    one_by_one.add_textbound("ADE", ((8, 14), (15, 19)), "caused rash")
    one_by_one.add_relation("ADE-Drug", "T2", "T1")
    monkeypatch.setattr(Standoff, "add", None)
    assert annotations_to_standoff(annotations, TEXT) == one_by_one


@pytest.mark.parametrize("label", ["two words", "", "a\tb", "X 1 2"])
def test_a_label_that_cannot_be_read_back_is_an_error(label: str):
    mention = Mention("T1", label, ((0, 7),))
    with pytest.raises(ValueError, match=r"T1: .* cannot be read back"):
        annotations_to_standoff(Annotations([mention], []), TEXT)
