"""What the tests of the pages in a real Airflow share."""
