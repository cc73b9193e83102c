import pytest

from clinical_ie.brat import Standoff
from clinical_ie.corpora.mention_lines import MentionLines
from clinical_ie.corpora.plain_reading import plain_columns
from clinical_ie.corpora.standoff_reading import LinkSettings
from clinical_ie.corpora.standoff_writing import edit_standoff
from clinical_ie.doc import Annotations, Mention, annotations_in

TEXT = "Took aspirin for chest\npain. Rash."
ANN = (
    "T1\tDrug 5 12\taspirin\n#1\tAnnotatorNotes T1\tsure\nT2\tReason 17 22;23 27\tchest pain\n"
    "E1\tReason:T2\nR1\tReason-Drug Arg1:E1 Arg2:T1\nA1\tSevere E1\n*\tOVERLAP T1 T3\n"
    "T3\tADE 29 33\tRash\n"
)


def read(ann: str) -> Annotations:
    columns = Standoff.parse(ann).columns
    assert columns is not None
    plain = plain_columns(TEXT, columns)
    assert plain is not None
    return annotations_in(plain)


def moved(mentions: list[Mention]) -> list[Mention]:
    """The mentions of the text with `heparin 5 mg` in place of `aspirin`."""
    places = (((5, 17),), ((22, 27), (28, 32)), ((34, 38),))
    return [m._replace(fragments=place) for m, place in zip(mentions, places, strict=True)]


@pytest.mark.parametrize("ann", [ANN, ANN.removesuffix("\n")])
def test_only_the_lines_of_mentions_change(ann: str) -> None:
    old = read(ann)
    lines = MentionLines.of(ann.encode(), old, TEXT)
    assert lines is not None
    text = TEXT.replace("aspirin", "heparin 5 mg")
    new = Annotations(moved(old.mentions), old.links)
    edited = Standoff.parse(ann)
    edit_standoff(edited, new, TEXT, text, LinkSettings())
    assert lines.with_mentions(new.mentions, text) == edited.to_bytes()
    assert b"T1\tDrug 5 17\theparin 5 mg\n#1" in edited.to_bytes()


def test_changes_of_other_lines_are_left_to_others() -> None:
    old = read(ANN)
    lines = MentionLines.of(ANN.encode(), old, TEXT)
    assert lines is not None
    first, *rest = old.mentions
    for changed in ({"comments": ()}, {"attributes": (("Old", ""),)}, {"label": "ADE"}):
        assert lines.with_mentions([first._replace(**changed), *rest], TEXT) is None
    assert lines.with_mentions(rest, TEXT) is None


@pytest.mark.parametrize(
    "ann",
    [
        ANN.replace("T1\tDrug 5 12", "T1\tDrug 05 12"),
        ANN.replace("T1\tDrug 5", "T1\tDrug  5"),
        ANN.replace("T3\tADE", "T4\tADE"),
        ANN + "T5\tDrug 0 4\tTook\n",
        ANN.replace("\n", "\r\n"),
        "",
    ],
)
def test_other_files_are_left_to_others(ann: str) -> None:
    assert MentionLines.of(ann.encode(), read(ANN), TEXT) is None
