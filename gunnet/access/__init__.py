"""Who may use a relay: what an operator asks for, the files that list whom, and the door."""
