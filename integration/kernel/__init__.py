"""Tests of laneway.kernel."""
