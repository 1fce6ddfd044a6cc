"""What `laneway run` decides: when to look at the host, and when to let be what others undo again and again."""
