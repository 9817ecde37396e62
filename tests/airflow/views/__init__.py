"""Who sees what of us in a real Airflow."""
