"""
What stands in front of a relay: proxies that end TLS for it, UNIX sockets, systemd, and port 80.
"""
