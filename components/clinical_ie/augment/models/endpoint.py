"""Where note text may go: to this machine, or to the one other host that the config names."""

import logging
import re
import socket
from ipaddress import ip_address

logger = logging.getLogger(__name__)

# Scheme, host, port, path and nothing else: no user info, query, fragment, escape or odd letter
# that two parsers could read in two ways.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9._-]+)*)/?"
)

_LAST_PORT = 65_535


class EndpointError(ValueError):
    """A server that may not be asked, or that will not answer whatever it is asked."""


def checked_url(url: str, allow_remote: bool, remote_host: str | None) -> str:
    """The URL, if its host may see note text; nothing is asked and no name is looked up.

    That text goes to another host without encryption is told.
    allow_remote (bool): Whether a host other than this machine may.
    remote_host (str | None): The one that may, exactly as it stands in the URL.
    RAISES (EndpointError): It is no plain URL, or its host may not.
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
            f"endpoint {url!r}: {host} is not this machine, and note text would leave it; if that "
            f'is allowed, set allow_remote = true and remote_host = "{host}"'
        )
    if remote_host != host:
        raise EndpointError(
            f"endpoint {url!r}: note text may go to remote_host = {remote_host!r} alone, and this "
            f"is {host!r}"
        )
    if match["scheme"] == "http":
        logger.warning(
            "endpoint %r: note text and key go to %s in the open, for anyone on the way to read; "
            "use https",
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
    """Whether a host is this machine: the very name `localhost`, or a loopback address.

    Other spellings that some resolvers take (`127.1`, `0x7f000001`) are names like any other.
    """
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_localhost(url: str) -> None:
    """See where `localhost` leads on this machine, before anything is sent there.

    RAISES (EndpointError): Not to a loopback address.
    """
    if host_of(url) != "localhost":
        return
    addresses = {str(entry[4][0]) for entry in socket.getaddrinfo("localhost", None)}
    strange = sorted(address for address in addresses if not is_loopback(address))
    if strange:
        raise EndpointError(f"endpoint {url!r}: localhost leads to {strange[0]} on this machine")
