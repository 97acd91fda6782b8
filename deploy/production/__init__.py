"""Examples of a production installation for gunicorn, Docker and nginx, and the set-up of its database."""
