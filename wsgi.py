"""What gunicorn serves and what `flask` finds."""

from api import create_app

app = create_app()
