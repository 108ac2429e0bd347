"""The vulnerable application in Flask; `python -m tests.lab.vulnerable.flask_app` runs it."""
