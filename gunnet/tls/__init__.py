"""
TLS (C{docs/tls.md}).

C{wanted} and C{options}: what the operator wants. C{pairs} reads a key and its certificate, C{contexts} has
the settings of OpenSSL, C{certificates} holds what this relay shows and chooses by the name asked for,
C{files} reads files again when they change. C{outgoing}: who is at the other end of what we dial.
C{ssl_endpoint} looks at what Twisted's own endpoints show.

ACME: C{acme_client} talks to the authority, in a thread, with the C{acme} package, which nothing else
imports; C{acme_folder} keeps what comes of it; C{renewals} decides when. C{http_challenge} and
C{alpn_challenge} show that a name is ours. C{service} brings everything together.
"""
