"""Tests of the Airflow integration, in an environment that has Airflow: `make airflow-test`."""
