"""Test the web app through HTTP, as a browser and as a program would ask."""
