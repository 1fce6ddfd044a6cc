"""Whether a host holds a policy."""
