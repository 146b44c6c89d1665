"""Who hears it: peers, subscriptions, routes, and the core's front door."""
