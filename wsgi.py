"""The application, for gunicorn and for the `flask` command."""

from api import create_app

app = create_app()
