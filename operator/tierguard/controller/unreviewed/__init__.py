"""What was admitted while no webhook could be asked."""
