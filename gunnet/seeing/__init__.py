"""How the relay is doing, for those who run it: metrics, readiness, logs, and the way of single messages."""
