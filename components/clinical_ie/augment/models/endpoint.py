"""Where note text may be sent: to this machine, or to the one other host named in the config."""

import logging
import re
import socket
from ipaddress import ip_address

logger = logging.getLogger(__name__)

# Only scheme, host, port and path: parsers can disagree about user info, queries, fragments,
# escapes and unusual characters.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f]*:[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9._-]+)*)/?"
)

_LAST_PORT = 65_535


class EndpointError(ValueError):
    """The server may not receive note text, or will not answer any request."""


def checked_url(url: str, allow_remote: bool, remote_host: str | None) -> str:
    """The URL, if note text may be sent to its host; sends nothing and resolves no names.

    Logs a warning if text would go to another host unencrypted.
    allow_remote (bool): Whether note text may go to a host other than this machine.
    remote_host (str | None): The only such host, exactly as in the URL.
    RAISES (EndpointError): The URL is not plain, or its host is not allowed.
    """
    match = _URL.fullmatch(url)
    if match is None or int(match["port"] or 80) > _LAST_PORT:
        raise EndpointError(
            f"endpoint {url!r}: expected http://HOST:PORT/PATH in lower-case letters, without "
            "user name, query or escapes"
        )
    host = match["host"]
    if is_loopback(host):
        return url
    if not allow_remote:
        raise EndpointError(
            f"endpoint {url!r}: {host} is not this machine, so note text would leave it; to allow "
            f'that, set allow_remote = true and remote_host = "{host}"'
        )
    if remote_host != host:
        raise EndpointError(
            f"endpoint {url!r}: note text may only go to remote_host = {remote_host!r}, and this "
            f"is {host!r}"
        )
    if match["scheme"] == "http":
        logger.warning(
            "endpoint %r: note text and key go to %s in the open, and anyone on the way can read "
            "them; use https",
            url,
            host,
        )
    return url


def host_of(url: str) -> str:
    """The host of a checked URL."""
    match = _URL.fullmatch(url)
    assert match is not None
    return match["host"]


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: exactly `localhost`, or a loopback address.

    Other spellings that some resolvers accept (`127.1`, `0x7f000001`) count as remote.
    """
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_localhost(url: str) -> None:
    """Check that `localhost` resolves to loopback addresses, before anything is sent there.

    RAISES (EndpointError): It does not.
    """
    if host_of(url) != "localhost":
        return
    addresses = {str(entry[4][0]) for entry in socket.getaddrinfo("localhost", None)}
    strange = sorted(address for address in addresses if not is_loopback(address))
    if strange:
        raise EndpointError(f"endpoint {url!r}: localhost leads to {strange[0]} on this machine")
