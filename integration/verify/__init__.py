"""verify, status and the pytest plugin on throw-away hosts."""
