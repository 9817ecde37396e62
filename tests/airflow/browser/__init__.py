"""A real browser in a real Airflow."""
