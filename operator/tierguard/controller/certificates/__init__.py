"""The CA, the serving certificate, and what is trusted."""
