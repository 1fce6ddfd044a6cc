"""What goes wrong on a host while laneway changes it."""
