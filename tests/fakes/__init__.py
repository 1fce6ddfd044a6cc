"""Stand-ins that keep the kernel's rules without a kernel."""
