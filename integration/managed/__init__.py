"""Hosts managed from another machine, by a real ssh."""
