"""Which settings of a server's model make its answers others."""

from tests.augment.test_openai_compatible import model_of

URL = "http://127.0.0.1:8000/v1"


def test_the_fingerprint_is_that_of_server_model_and_all_that_changes_an_answer() -> None:
    one = model_of(URL).fingerprint
    patient = model_of(URL, in_flight=1, timeout=1.0, max_retries=7, give_up_after=2)
    assert patient.fingerprint == one
    assert model_of("http://127.0.0.1:8001/v1").fingerprint != one
    for settings in (
        {"temperature": 0.1},
        {"top_p": 0.5},
        {"max_tokens": 64},
        {"stop": ["\n"]},
        {"extra_body": {"top_k": 7}},
        {"send_seed": False},
        {"constraint": "json"},
        {"constraint": "vllm"},
    ):
        assert model_of(URL, **settings).fingerprint != one, settings
