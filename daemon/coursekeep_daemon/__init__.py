"""The service: everything that runs. Nobody imports it from outside."""
