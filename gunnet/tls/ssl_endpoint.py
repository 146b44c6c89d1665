"""
Twisted's own endpoints with TLS, C{ssl:443:privateKey=…:certKey=…}: a look at what they would show.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import IStreamServerEndpoint

from gunnet.settings_error import SettingsError


def server_endpoint(reactor: Any, description: str) -> IStreamServerEndpoint:
    """
    An endpoint of any kind.

    @param description: a Twisted endpoint string.
    @raise SettingsError: it is an C{ssl:} one, whose key and certificate can't be read, don't belong
        together, or whose certificate has expired.
    @raise Exception: what else C{serverFromString} raises.
    """
    try:
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
        options = getattr(endpoint, "_sslContextFactory", None)
        if options is None:
            return endpoint
        options.getContext()
    except VerifyError as e:
        raise SettingsError("TLS: the private key is not that of the certificate") from e
    except (SSL.Error, crypto.Error) as e:
        why = "; ".join(reason for _, _, reason in e.args[0])
        raise SettingsError(f"TLS: no use of the key or the certificate: {why}") from e
    ends = options.certificate.to_cryptography().not_valid_after_utc
    if ends.timestamp() <= reactor.seconds():
        raise SettingsError(f"TLS: the certificate has expired, at {ends}")
    return endpoint
