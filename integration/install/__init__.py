"""How laneway comes onto a host, and stays in force there after a reboot."""
