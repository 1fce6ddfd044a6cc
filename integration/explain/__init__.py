"""The walk against packets."""
