"""What makes a host hold its policy after a reboot, and what keeps other services from undoing it."""
