"""What the terminal shows of a run."""

from rich.console import Console

from clinical_ie.augment.output import rewrites_table


def test_no_character_of_a_rewrite_is_lost_beside_wide_ones(capsys):
    source = "She was given [[Médicament: ibuprofen]] [[频率: twice daily]] for [[Reason_ü: pain]]."
    rewrite = "He had [[Stärke: 400 mg]] [[频率: BID]] due to [[Reason_ü: diabetes]]."
    for width in range(40, 120):
        Console(width=width).print(rewrites_table([{"source": source, "rewrite": rewrite}], 1))
        lines = [line.split("│") for line in capsys.readouterr().out.splitlines()]
        shown = ["".join(row[side] for row in lines if len(row) == 4) for side in (1, 2)]
        for text, found in zip((source, rewrite), shown, strict=True):
            assert text.replace(" ", "") in found.replace(" ", ""), width
