"""A RAG service on FastAPI, to be profiled: see app.py."""
