"""Test the project itself: its layers, its documentation, and what it is built from."""
