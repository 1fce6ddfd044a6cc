"""Tests on a real kernel, each on a throw-away host."""
