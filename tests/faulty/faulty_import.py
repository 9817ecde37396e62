"""Fail to import, as a plugin whose library is gone."""

raise ImportError("libfaulty.so.3: cannot open shared object file")
