"""A made-up note in every format of i2b2-2012, and helpers to read it."""

from pathlib import Path

from clinical_ie.brat import Note
from clinical_ie.corpora.i2b2 import I2b2Settings, read_note
from clinical_ie.corpora.standoff_reading import note_to_annotations
from clinical_ie.doc import Annotations

TEXT = "Admission Date :\n2001-02-03\nHe had chest\npain & took aspirin .\n"


ALL = I2b2Settings(timex=True, sectime=True, tlinks=True)


TAGS = """<EVENT id="E0" start="1" end="10" text="Admission" modality="FACTUAL" polarity="POS"
  type="OCCURRENCE" />
<EVENT id="E1" start="36" end="46" text="chest pain" modality="FACTUAL" polarity="NEG"
  type="PROBLEM" />
<EVENT id="E2" start="54" end="61" text="aspirin" modality="PROPOSED" polarity="POS"
  type="TREATMENT" />
<TIMEX3 id="T0" start="18" end="28" text="2001-02-03" type="DATE" val="2001-02-03" mod="NA" />
<SECTIME id="S0" start="18" end="28" text="2001-02-03" type="ADMISSION" dvalue="2001-02-03" />
<TLINK id="TL0" fromID="E1" fromText="chest pain" toID="E2" toText="aspirin" type="BEFORE" />
<TLINK id="TL1" fromID="E0" fromText="Admission" toID="T0" toText="2001-02-03" type="OVERLAP" />
"""


SAID = 'modality="FACTUAL" polarity="POS"'


EXTENT = """EVENT="Admission" 1:0 1:0||type="OCCURRENCE"||modality="FACTUAL"||polarity="POS"
EVENT="chest pain" 3:2 4:0||type="PROBLEM"||modality="FACTUAL"||polarity="NEG"
EVENT="aspirin" 4:3 4:3||type="TREATMENT"||modality="PROPOSED"||polarity="POS"
TIMEX3="2001-02-03" 2:0 2:0||type="DATE"||val="2001-02-03"||mod="NA"
SECTIME="2001-02-03" 2:0 2:0||type="ADMISSION"||dvalue="2001-02-03"
"""


TLINK = """EVENT="chest pain" 3:2 4:0||EVENT="aspirin" 4:3 4:3||type="BEFORE"
EVENT="Admission" 1:0 1:0||TIMEX3="2001-02-03" 2:0 2:0||type="OVERLAP"
"""


def xml(tags: str = TAGS, text: str = TEXT) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8" ?>\n<ClinicalNarrativeTemporalAnnotation>\n'
        f"<TEXT><![CDATA[\n{text}]]></TEXT>\n<TAGS>\n{tags}</TAGS>\n"
        "</ClinicalNarrativeTemporalAnnotation>\n"
    )


def read(folder: Path, content: str, settings: I2b2Settings = ALL) -> tuple[Annotations, list[str]]:
    (folder / "1.xml").write_text(content, encoding="utf8", newline="")
    note = read_note(folder / "1.xml", folder, settings)
    assert note.text == TEXT
    annotations, problems = note_to_annotations(note)
    return annotations, [
        f"{p.severity}: {str(p).removeprefix(str(folder)).lstrip('/')}" for p in problems
    ]


def read_merged(folder: Path, links: str) -> Note:
    for suffix, content in ((".txt", TEXT), (".extent", EXTENT), (".tlink", links)):
        # Some editors prepend a byte order mark, which offsets do not count.
        (folder / "2").with_suffix(suffix).write_text(content, encoding="utf-8-sig")
    return read_note(folder / "2.extent", folder, ALL)
