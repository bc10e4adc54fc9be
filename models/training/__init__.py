"""Training and evaluation of the shipped models; nothing here is loaded to serve."""
