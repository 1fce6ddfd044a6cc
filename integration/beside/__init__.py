"""laneway beside real programs: container software and firewalls of Debian, on throw-away hosts, with packets."""
