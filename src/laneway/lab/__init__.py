"""A throw-away host with providers and an internet behind it, on which a policy is tried with real packets."""
