"""The difference between two host states, as ordered steps."""
