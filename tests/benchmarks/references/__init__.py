"""What the service is compared with: the least that could do the same job, under the same servers and settings."""
