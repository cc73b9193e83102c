from clinical_ie.progress import track


def test_items_pass_through_and_the_bar_goes_to_standard_error(capsys):
    assert list(track(["a", "b"], "letters")) == ["a", "b"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "letters" in captured.err
