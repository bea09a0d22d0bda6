"""Miniature copies of corpora: the real names and tables, of a few speakers.

Each module builds one, of empty recordings, as the lists are made of names alone; `voices` lets
somebody speak in them.
"""
