"""Throw damaged, foreign and hostile data at whatever reads it."""
