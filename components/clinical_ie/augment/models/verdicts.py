"""Tells failures that concern one prompt from those that concern all the rest."""

import math
from collections.abc import Iterable

import openai

from ..prompt import Response
from .completion import CUT, codes, failure, fields_named
from .endpoint import EndpointError

# Seconds: the longest Retry-After that the client honours; configs/augment/endpoint.cfg states it.
LONGEST_WAIT = 120.0
LATE = "no answer in time"
# Besides 429, statuses that are not the prompt's fault or may pass.
_NO_PROMPTS_FAULT = {401, 404, 408, 409}
_HINTS = {
    LATE: "; if it handles few requests at a time, set a smaller in_flight or a longer timeout",
    CUT: "; a model that reasons first needs a larger max_tokens",
}
# Statuses for requests with an unknown field or an unacceptable value.
_ABOUT_FIELDS = {400, 422}
_LEAVE_OUT = (
    '; a field that the server does not accept is left out by extra_body = {"its_name": null}, a '
    'seed by send_seed = false, a grammar or response_format by constraint = "none"'
)


class Verdicts:
    """Tells a prompt that failed from a server that will answer no prompt.

    model, url (str): Named in errors.
    give_up_after (int): How many requests in a row without an answer, or answers in a row without
        usable content, end the run. Rejected prompts count only until the server first answers.
    answered (bool): Whether the server has ever answered, perhaps in an earlier run.
    """

    def __init__(self, model: str, url: str, give_up_after: int) -> None:
        self._model = model
        self._url = url
        self._give_up_after = give_up_after
        self._failed_in_a_row = self._empty_in_a_row = 0
        self.answered = False
        # Between two runs, a key can expire and a server stop.
        self._answered_now = False

    def of_status(
        self, error: openai.APIStatusError, sent: Iterable[str], wait: float, seconds: float
    ) -> Response:
        """The response for a request that was answered with an error status.

        sent (Iterable[str]): The names of the fields that were sent.
        wait (float): Seconds that the server asks the client to wait.
        RAISES (EndpointError): Further requests to this server would fail too.
        """
        status, named = error.status_code, _named(error, sent)
        passing = status == 429 or status >= 500
        if status == 402 or error.code == "insufficient_quota":
            raise EndpointError(f"{self._url}: the account has no credit left ({named})")
        if passing and LONGEST_WAIT < wait < math.inf:
            raise EndpointError(
                f"{self._url}: the server takes no more requests for {wait:.0f} seconds ({named}); "
                "then run again to continue from the journal"
            )
        if not self._answered_now:
            # Once the server has answered, key and model are right, and the prompt is at fault.
            self._check_key_and_model(error, named)
        if passing:
            reason = "too many requests" if status == 429 else "server error"
            return failure(f"{reason} ({named})", seconds)
        if status < 400:
            return failure("redirected", seconds)
        return failure(f"request not taken ({named})", seconds, status not in _NO_PROMPTS_FAULT)

    def of_connection(self, error: openai.APIConnectionError, seconds: float) -> Response:
        """The response for a request whose connection failed.

        RAISES (EndpointError): There is no server.
        """
        # ConnectError and ConnectTimeout of httpx.
        none_there = type(error.__cause__).__name__.startswith("Connect")
        if none_there and not self._answered_now:
            raise EndpointError(f"{self._url}: {_no_server(error)}") from None
        return failure("no connection" if none_there else "answer broke off", seconds)

    def _check_key_and_model(self, error: openai.APIStatusError, named: str) -> None:
        # Some services answer 403 to a prompt that they find indecent; if there are answers of an
        # earlier run, such prompts may be all that is left.
        no_key = error.status_code == 401 or (error.status_code == 403 and not self.answered)
        if no_key or error.code == "invalid_api_key":
            raise EndpointError(f"{self._url}: the server does not take this key ({named})")
        if error.status_code in (404, 405) or error.code == "model_not_found":
            raise EndpointError(
                f"{self._url}: the server knows no model {self._model!r}, or has nothing at this "
                f"address ({named})"
            )

    def see(self, answer: Response) -> None:
        """Count failures in a row.

        RAISES (EndpointError): There are `give_up_after` of them.
        """
        if answer.answered:
            self.answered = self._answered_now = True
            self._failed_in_a_row = 0
            self._empty_in_a_row = self._empty_in_a_row + 1 if answer.fault else 0
        elif not (answer.refused and self.answered):
            self._failed_in_a_row += 1
        if self._empty_in_a_row >= self._give_up_after:
            raise EndpointError(
                f"{self._url}: the last {self._empty_in_a_row} answers, each with its price, were "
                f"of no use ({answer.fault}){_HINTS.get(answer.fault, '')}"
            )
        if self._failed_in_a_row >= self._give_up_after:
            hint = _LEAVE_OUT if answer.refused else _HINTS.get(answer.fault, "")
            raise EndpointError(
                f"{self._url}: the last {self._failed_in_a_row} requests got no answer "
                f"({answer.fault}); earlier answers are kept in the journal{hint}"
            )


def _named(error: openai.APIStatusError, fields: Iterable[str]) -> str:
    """Status, code and request fields of an error, and no text that might quote a note."""
    # llama.cpp gives the status as the code, and the name of the error as its type.
    code = error.type if error.code == str(error.status_code) else error.code
    names = codes((code, error.param))
    if not error.param and error.status_code in _ABOUT_FIELDS:
        names += fields_named(error.body, sorted(fields))
    return ", ".join([f"HTTP {error.status_code}", *names])


def _no_server(error: openai.APIConnectionError) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error.__cause__):
        return (
            "the server's certificate cannot be verified; set SSL_CERT_FILE to that of your "
            "certificate authority"
        )
    return "no server answers there; start it, or name another endpoint in the config"
