"""Show recordings in a browser: one app, alone or inside a host such as Airflow.

Its parts need the extra `web`; this module imports none of them.
"""
