"""The task definitions that lmms-eval indexes."""
